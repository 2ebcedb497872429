"""What physical terms leave over on public blocks: a Gaussian process in log time, with its own uncertainty.

Inputs are logs of sizes and the block's options, and which blocks were timed one after the other (residual_kernel.py).
Lengths are chosen on random rows: whole families alone have too few neighbours to tell a session from a trend.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log2

import numpy as np

from evit_nas.latency.gaussian import Z90
from evit_nas.latency.predictor.base import Floats
from evit_nas.latency.predictor.public_rows import PublicBlock
from evit_nas.latency.predictor.residual_kernel import Inputs, ResidualKernel, inverted, likeliest, starting_kernel

FEATURES = ("hw", "cin", "cout", "expand", "stride", "kernel", "se", "v_scale", "odd", "same", "cin % 16", "cout % 16")
SCALES = (0.3, 0.08, 0.12, 2.0, 2.0, 1.5, 2.0, 2.0, 1.0, 1.0, 1.0, 3.0)  # start, in units of the features
MIN_ROWS = 40  # fewer rows keep the starting length scales
FEW_FAMILIES = 1.0  # scores of one family are alike: a quantile over G families is as unsure as one of G rows
CHOOSING_ROWS = 900


def features(blocks: Sequence[PublicBlock]) -> Floats:
    """Logs of sizes and options, shape (N, len(FEATURES))."""
    return np.array([_features(block) for block in blocks], dtype=np.float64).reshape(len(blocks), len(FEATURES))


def inputs_of(blocks: Sequence[PublicBlock]) -> Inputs:
    """Inputs of the process."""
    family = np.array([block.hw_in * 65537 + block.cin for block in blocks], dtype=np.int64)
    return Inputs(features(blocks), family, np.array([float(block.cout) for block in blocks]))


def _features(block: PublicBlock) -> tuple[float, ...]:
    sizes = (log2(block.hw_in), log2(block.cin), log2(block.cout))
    options = (block.expand, block.stride, block.kernel, block.se, block.v_scale)
    return (
        *sizes,
        *map(float, options),
        float(block.hw_in % 2),
        float(block.cin == block.cout),
        block.cin % 16 / 8,
        block.cout % 16 / 8,
    )


@dataclass(frozen=True)
class ResidualProcess:
    """A fitted process: mean and standard deviation of the log residual at new blocks."""

    inputs: Inputs
    inverse: Floats
    weights: Floats
    kernel: ResidualKernel
    factor: float = Z90  # how many of its own standard deviations hold 90 %, for blocks of a shape family in the rows
    new_factor: float = Z90  # and for blocks of another one
    families: frozenset[str] = frozenset()

    def factors(self, blocks: Sequence[PublicBlock]) -> Floats:
        """The factor of each block, shape (N,)."""
        return np.array([self.factor if block.family in self.families else self.new_factor for block in blocks])

    def predict(self, blocks: Sequence[PublicBlock]) -> tuple[Floats, Floats]:
        """Mean and standard deviation (noise included) of the log residual, each shape (N,)."""
        cross = self.kernel.covariance(inputs_of(blocks), self.inputs)
        variance = self.kernel.variance - np.einsum("ij,jk,ik->i", cross, self.inverse, cross, optimize=True)
        return cross @ self.weights, np.sqrt(np.maximum(variance, 1e-8))


def fit_residual(blocks: Sequence[PublicBlock], residual: Floats, *, seed: int = 0) -> ResidualProcess:
    """The process of `residual`: log of measured over physical, shape (N,)."""
    inputs, kernel = inputs_of(blocks), starting_kernel(np.array(SCALES))
    if len(blocks) >= MIN_ROWS:
        chosen = np.random.default_rng(seed).permutation(len(blocks))[:CHOOSING_ROWS]
        kernel = likeliest(kernel, inputs.take(chosen), residual[chosen])
    return _condition(inputs, residual, kernel)


def conformal(
    process: ResidualProcess, seen: Floats, unseen: Floats, families: frozenset[str], level: float
) -> ResidualProcess:
    """`process` with the factors that hold `level` of the scores: |residual| over its standard deviation, of rows left
    out of every fit, in folds of rows (`seen`) and of whole shape families (`unseen`)."""
    factor = _quantile(seen, level)
    new_factor = _quantile(unseen, level) * (1 + FEW_FAMILIES / len(families) ** 0.5)
    return replace(process, factor=factor, new_factor=max(factor, new_factor), families=families)


def _quantile(scores: Floats, level: float) -> float:
    """The conformal quantile; with few rows never less than the normal one."""
    rank = min(len(scores), int(np.ceil(level * (len(scores) + 1))))
    factor = float(np.sort(scores)[rank - 1])
    return factor if len(scores) >= MIN_ROWS else max(Z90, factor)


def _condition(inputs: Inputs, residual: Floats, kernel: ResidualKernel) -> ResidualProcess:
    inverse, _ = inverted(kernel.covariance(inputs, inputs) + kernel.noise**2 * np.eye(len(residual)))
    return ResidualProcess(inputs, inverse, inverse @ residual, kernel)
