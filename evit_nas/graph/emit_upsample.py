"""Upsampling by a whole factor as operators: bilinear, and PyTorch's bicubic written separably.

Bicubic (align_corners False, a = -0.75, replicated border): every output phase p of an axis is one 4-tap filter, so an
axis is `factor` depthwise convolutions whose outputs are interleaved; interleaving is a concatenation on the right axis
and a reshape. On a short axis a matmul with the constant [f H, H] matrix is faster.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from evit_nas.graph.builder import GraphBuilder
from evit_nas.space.arch import Upsample

_A = -0.75  # PyTorch's cubic coefficient
MATMUL_ROWS = 16  # longest vertical axis for which the matmul form is faster


def emit_upsample(b: GraphBuilder, x: str, factor: int, mode: Upsample) -> str:
    """[1, H, W, C] -> [1, f H, f W, C]."""
    if factor == 1:
        return x
    _, height, width, channels = b.shape(x)
    if mode == "bilinear":
        return b.resize_bilinear(x, height * factor, width * factor)
    if height <= MATMUL_ROWS:
        x = _rows_by_matmul(b, _columns(b, x, factor), factor)
    else:
        x = _columns(b, _rows(b, x, factor), factor)
    return b.reshape(x, 1, height * factor, width * factor, channels)


@lru_cache(maxsize=32)
def cubic_taps(factor: int) -> tuple[tuple[int, tuple[float, float, float, float]], ...]:
    """First tap (relative to the input sample) and the four weights of each output phase (Keys' cubic, PyTorch's a)."""
    taps = []
    for phase in range(factor):
        position = (phase + 0.5) / factor - 0.5
        start = int(np.floor(position))
        t = position - start
        taps.append((start - 1, (_outer(t + 1), _inner(t), _inner(1 - t), _outer(2 - t))))
    return tuple(taps)


def _inner(t: float) -> float:
    return ((_A + 2) * t - (_A + 3)) * t * t + 1


def _outer(t: float) -> float:
    return ((_A * t - 5 * _A) * t + 8 * _A) * t - 4 * _A


@lru_cache(maxsize=256)
def cubic_matrix(size: int, factor: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The [factor * size, size] matrix of one axis."""
    matrix = np.zeros((factor * size, size))
    for i in range(size):
        for phase, (first, weights) in enumerate(cubic_taps(factor)):
            for tap, weight in enumerate(weights):
                matrix[i * factor + phase, min(max(i + first + tap, 0), size - 1)] += weight
    return matrix.astype(np.float32)


def _rows_by_matmul(b: GraphBuilder, x: str, factor: int) -> str:
    _, height, width, channels = b.shape(x)
    matrix = b.constant(cubic_matrix(height, factor))
    y = b.matmul(matrix, b.reshape(x, height, width * channels))
    return b.reshape(y, 1, height * factor, width, channels)


def _rows(b: GraphBuilder, x: str, factor: int) -> str:
    """Vertical axis: [1, H, W, C] -> [1, f H, W, C]."""
    _, height, width, channels = b.shape(x)
    phases = [b.reshape(y, height, 1, width * channels) for y in _phases(b, x, factor, axis=1)]
    return b.reshape(b.concat(phases, 1), 1, height * factor, width, channels)


def _columns(b: GraphBuilder, x: str, factor: int) -> str:
    """Horizontal axis: [1, H, W, C] -> [1, H, f W, C]."""
    _, height, width, channels = b.shape(x)
    return b.reshape(b.concat(_phases(b, x, factor, axis=2), 3), 1, height, width * factor, channels)


def _phases(b: GraphBuilder, x: str, factor: int, axis: int) -> list[str]:
    """One map of the size of `x` per output phase along `axis`."""
    early, late = _bordered(b, x, axis)
    channels = b.shape(x)[3]
    zeros = b.zeros(channels)
    kernel = (1, 4, 1, channels) if axis == 1 else (1, 1, 4, channels)
    outputs = []
    for first, weights in cubic_taps(factor):
        taps = np.repeat(np.array(weights, np.float32), channels).reshape(kernel)
        outputs.append(b.depthwise(early if first == -2 else late, b.constant(taps), zeros, padding="VALID"))
    return outputs


def _bordered(b: GraphBuilder, x: str, axis: int) -> tuple[str, str]:
    """`x` with three replicated border lines: two before and one after (taps from -2), one and two (taps from -1)."""
    shape = b.shape(x)
    line = tuple(1 if i == axis else side for i, side in enumerate(shape))
    end = tuple(shape[axis] - 1 if i == axis else 0 for i in range(4))
    first, last = b.slice(x, (0, 0, 0, 0), line), b.slice(x, end, line)
    return b.concat([first, first, x, last], axis), b.concat([first, x, last, last], axis)
