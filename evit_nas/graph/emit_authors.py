"""The attention as the official exporter lowers it (PyTorch -> TinyNeuralNetwork at the time of the published times).

Upstream's first order of operations, on transposed tensors: heads interleaved q, k, v; v padded with a column of ones
for the normaliser; back to NCHW and NHWC around the reshapes. It has the linear form only, whatever the resolution:
the quadratic one came to upstream later and gives the same result.
"""

from __future__ import annotations

import numpy as np

from evit_nas.graph.blocks import Msa
from evit_nas.graph.builder import GraphBuilder
from evit_nas.graph.emit_conv import PLAIN_CONV, conv_weights


def emit_msa_authors(b: GraphBuilder, block: Msa, x: str) -> str:
    """[1, H, W, C] -> the same shape, shortcut included. N: pixels, h: heads of all branches, d: head dim."""
    pixels, d = block.height * block.width, block.head_dim
    joined = _qkv(b, block, x)
    heads = b.shape(joined)[3] // (3 * d)
    y = b.reshape(b.transpose(joined, 0, 3, 1, 2), 1, heads, 3 * d, pixels)
    y = b.transpose(y, 0, 1, 3, 2)  # [1, h, N, 3 d]
    query = b.unary("RELU", _last(b, y, 0, d))
    key = b.transpose(b.unary("RELU", _last(b, y, d, d)), 0, 1, 3, 2)
    value = _with_ones(b, _last(b, y, 2 * d, d))
    y = b.matmul(query, b.matmul(key, value))  # [1, h, N, d + 1]
    out, total = _last(b, y, 0, d), _last(b, y, d, 1)
    y = b.binary("DIV", out, b.binary("ADD", total, b.constant(np.array([block.eps], np.float32))))
    y = b.reshape(b.transpose(y, 0, 1, 3, 2), 1, heads * d, block.height, block.width)
    y = b.conv(b.transpose(y, 0, 2, 3, 1), *conv_weights(b, "proj", block.channels, 1, heads * d))
    return b.binary("ADD", y, x)


def _qkv(b: GraphBuilder, block: Msa, x: str) -> str:
    """[1, H, W, C] -> [1, H, W, 3 T (1 + scales)] in upstream's channel order."""
    width = 3 * block.heads * block.head_dim
    qkv = b.conv(x, b.param((width, 1, 1, block.channels), "conv_weight", "qkv", PLAIN_CONV), b.zeros(width))
    branches = [qkv]
    for index, scale in enumerate(block.scales):
        depthwise = b.param((1, scale, scale, width), "raw_depthwise", f"aggreg.{index}.0")
        grouped = b.param((width, 1, 1, block.head_dim), "raw_conv", f"aggreg.{index}.1")
        branches.append(b.conv(b.depthwise(qkv, depthwise, b.zeros(width)), grouped, b.zeros(width)))
    return b.concat(branches, 3)


def _last(b: GraphBuilder, x: str, start: int, size: int) -> str:
    """`size` entries of the last of four axes from `start`."""
    return b.slice(x, (0, 0, 0, start), (*b.shape(x)[:3], size))


def _with_ones(b: GraphBuilder, x: str) -> str:
    """A column of ones after the last axis (PADV2 with the value 1)."""
    paddings = b.constant(np.array([[0, 0], [0, 0], [0, 0], [0, 1]], np.int32))
    one = b.constant(np.array([1], np.float32))
    *outer, last = b.shape(x)
    return b.op("PADV2", (x, paddings, one), (*outer, last + 1))
