"""What physical terms leave over on public blocks: a Gaussian process on shape, in log time, with its own uncertainty.

Inputs are logs of sizes and the block's options; two length scales, because some phones show narrow ridges in the
channels (about 16 wide) on top of slow trends. Length scales are chosen by marginal likelihood on whole shape families,
so that near neighbours are among the rows that choose them.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evit_nas.latency.gaussian import Z90
from evit_nas.latency.predictor.base import Floats
from evit_nas.latency.predictor.public_rows import PublicBlock

FEATURES = ("hw", "cin", "cout", "expand", "stride", "kernel", "se", "v_scale", "odd", "same", "cin % 16", "cout % 16")
SCALES = (0.3, 0.08, 0.12, 2.0, 2.0, 1.5, 2.0, 2.0, 1.0, 1.0, 1.0, 3.0)  # start, in units of the features
AMPLITUDE, NARROW, NOISE = 0.04, 0.015, 0.01  # relative standard deviations to start from
MIN_ROWS = 40  # fewer rows keep the starting length scales
FEW_FAMILIES = 1.0  # scores of one family are alike: a quantile over G families is as unsure as one of G rows
CHOOSING_ROWS = 500
ITERATIONS = 35


def features(blocks: Sequence[PublicBlock]) -> Floats:
    """Inputs of the process, shape (N, len(FEATURES))."""
    return np.array([_features(block) for block in blocks], dtype=np.float64).reshape(len(blocks), len(FEATURES))


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

    inputs: Floats
    inverse: Floats
    weights: Floats
    kernel: Any
    factor: float = Z90  # how many of its own standard deviations hold 90 %, for blocks of a shape family in the rows
    new_factor: float = Z90  # and for blocks of another one
    families: frozenset[str] = frozenset()

    def factors(self, blocks: Sequence[PublicBlock]) -> Floats:
        """The factor of each block, shape (N,)."""
        return np.array([self.factor if block.family in self.families else self.new_factor for block in blocks])

    def predict(self, blocks: Sequence[PublicBlock]) -> tuple[Floats, Floats]:
        """Mean and standard deviation (noise included) of the log residual, each shape (N,)."""
        cross = self.kernel(features(blocks), self.inputs)
        prior = self.kernel.diag(features(blocks))
        variance = prior - np.einsum("ij,jk,ik->i", cross, self.inverse, cross, optimize=True)
        return cross @ self.weights, np.sqrt(np.maximum(variance, 1e-8))


def fit_residual(blocks: Sequence[PublicBlock], residual: Floats, *, seed: int = 0) -> ResidualProcess:
    """The process of `residual`: log of measured over physical, shape (N,)."""
    inputs, kernel = features(blocks), _kernel()
    if len(blocks) >= MIN_ROWS:
        chosen = _whole_families(blocks, seed)
        kernel = _choose(kernel, inputs[chosen], residual[chosen])
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


def _condition(inputs: Floats, residual: Floats, kernel: Any) -> ResidualProcess:
    inverse = np.linalg.inv(kernel(inputs))
    return ResidualProcess(inputs, inverse, inverse @ residual, kernel)


def _kernel() -> Any:
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    scales = np.array(SCALES)
    slow = ConstantKernel(AMPLITUDE**2, (1e-6, 1.0)) * Matern(scales, (0.02, 30.0), nu=2.5)
    narrow = ConstantKernel(NARROW**2, (1e-7, 1.0)) * Matern(scales / 4, "fixed", nu=1.5)
    return slow + narrow + WhiteKernel(NOISE**2, (1e-6, 1e-2))


def _choose(kernel: Any, inputs: Floats, residual: Floats) -> Any:
    from sklearn.gaussian_process import GaussianProcessRegressor

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a scale at its bound is a feature that does not matter
        process = GaussianProcessRegressor(kernel, alpha=1e-10, optimizer=_few_steps)
        return process.fit(inputs, residual).kernel_


def _few_steps(objective: Any, start: Floats, bounds: Floats) -> tuple[Floats, float]:
    from scipy.optimize import minimize

    limits: Any = [tuple(pair) for pair in bounds]
    found: Any = minimize(objective, start, jac=True, bounds=limits, method="L-BFGS-B", options={"maxiter": ITERATIONS})
    return np.asarray(found.x), float(found.fun)


def _whole_families(blocks: Sequence[PublicBlock], seed: int) -> NDArray[np.intp]:
    """Indices of the rows of random shape families, about CHOOSING_ROWS in all."""
    members: dict[str, list[int]] = {}
    for i, block in enumerate(blocks):
        members.setdefault(block.family, []).append(i)
    names = np.random.default_rng(seed).permutation(sorted(members))
    chosen: list[int] = []
    for name in names:
        if len(chosen) >= CHOOSING_ROWS:
            break
        chosen += members[str(name)]
    return np.array(chosen[: 2 * CHOOSING_ROWS], dtype=np.intp)
