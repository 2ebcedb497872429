"""The time of a kernel that has no row: a sum of monotone terms with non-negative coefficients, one fit per family.

Terms are products of the kernel's axes to powers of 0, 1/2 and 1, its work (its bytes where it multiplies nothing) with
channels rounded up to the tiles of a vector unit, its work and bytes on log ramps of what must stay in a cache: the
weights (L1), the input rows of one output row (L1, L2) and all tensors (L2, L3), and its pixels on a grid of ramps of
the channels. Every term grows in every axis and no coefficient is negative, so a prediction never falls when channels
or pixels grow, and extrapolation stays physical. Weighted by each row's own interval, with Huber weights against
disturbed rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from evit_nas.graph.kernel import KernelSignature
from evit_nas.latency.gaussian import relative_sd, robust_sd
from evit_nas.latency.measurement import Measurement
from evit_nas.latency.predictor.base import Floats
from evit_nas.latency.predictor.features import KernelInput, kernel_input

# KiB; log ramps between neighbours
WEIGHT_LADDER = (4, 8, 16, 32, 64, 256, 1024, 4096)
ROW_LADDER = (8, 32, 128, 512, 1024, 4096)
TENSOR_LADDER = (128, 512, 1024, 4096, 16384, 65536)
# channels; a matrix product with few columns is slow at some depths and fast again beyond, which no power says
KNOTS = (
    (0, 8, 16, 32, 64, 96, 128, 160, 192, 256, 384, 768, 1536, 3072),
    (0, 8, 16, 24, 32, 48, 64, 96, 128, 192, 384, 768, 1536),
)
COMPUTE = ("CONV_2D", "DEPTHWISE_CONV_2D", "BATCH_MATMUL", "FULLY_CONNECTED", "TRANSPOSE_CONV")
MIN_FAMILY_ROWS = 4
MIN_RUNG_ROWS = 3  # a rung of a ladder that fewer rows have climbed is left out: noise would set its slope
RUNG = 0.2
RIDGE = 0.03
DRIFT_SD = 0.5
ROW_SD = 0.03  # relative, what even an exact row is off from any smooth law
FURTHEST = 5.0  # a fit below this part of a time counts as that part
HUBER = 4.0  # in robust standard deviations
ROUNDS = 4
FOLDS = 5
MIN_SD = 0.02
EXTRAPOLATED_SD = 0.4  # relative, where the family has too few rows to tell


@dataclass(frozen=True)
class FamilyFit:
    """Coefficients (microseconds per unit of each term), the rungs in use, and the relative error of rows left out."""

    coefficients: Floats
    rungs: NDArray[np.bool_]
    relative_sd: float

    def predict_us(self, inputs: Sequence[KernelInput]) -> Floats:
        """Microseconds of N kernels of the family, shape (N,)."""
        return np.asarray(_design(inputs, self.rungs) @ self.coefficients, dtype=np.float64)


@dataclass(frozen=True)
class KernelRegression:
    """One fit per family, and a pooled one (work and bytes) for families with too few rows."""

    families: Mapping[str, FamilyFit]
    pooled: Floats

    def predict(self, signature: KernelSignature) -> tuple[float, float, bool]:
        """Microseconds, their relative standard deviation, and whether the kernel's own family gave them.

        Raises MissingCostError for an operator that nothing knows.
        """
        kernel = kernel_input(signature)
        own = self.families.get(kernel.family)
        if own is None:
            return float((_pooled_design([kernel]) @ self.pooled)[0]), EXTRAPOLATED_SD, False
        return float(own.predict_us([kernel])[0]), own.relative_sd, True

    def relative_sd(self, family: str) -> float:
        """Relative standard deviation of a predicted kernel of `family`."""
        return self.families[family].relative_sd if family in self.families else EXTRAPOLATED_SD


def row_weights(rows: Sequence[Measurement]) -> Floats:
    """Weight of each row's relative error, shape (N,): 1 where its interval is narrow and the machine ran at its usual
    speed. How much of the reference model's drift a kernel feels is uncertain by DRIFT_SD of it."""
    sd = np.array([relative_sd(row.low_us, row.high_us) for row in rows])
    drift = DRIFT_SD * np.log([row.canary for row in rows])
    return np.asarray(ROW_SD / np.sqrt(ROW_SD**2 + np.minimum(sd, 1.0) ** 2 + drift**2), dtype=np.float64)


def fit_regression(inputs: Sequence[KernelInput], us: Floats, weights: Floats) -> KernelRegression:
    """Fit every family that has at least MIN_FAMILY_ROWS rows, and the pooled fall-back over all rows."""
    families = {}
    for family, index in _by_family(inputs).items():
        if len(index) >= MIN_FAMILY_ROWS:
            own = _take(inputs, index)
            rungs = _rungs(own)
            coefficients = _solve(_design(own, rungs), us[index], weights[index])
            families[family] = FamilyFit(coefficients, rungs, EXTRAPOLATED_SD)
    return KernelRegression(families, _solve(_pooled_design(inputs), us, weights))


def out_of_fold_us(inputs: Sequence[KernelInput], us: Floats, weights: Floats, folds: NDArray[np.intp]) -> Floats:
    """Each row's time by a regression that has not seen its fold, shape (N,)."""
    predicted = np.zeros(len(us))
    for fold in np.unique(folds):
        out = np.flatnonzero(folds == fold)
        kept = np.flatnonzero(folds != fold)
        if len(kept) == 0:
            kept = out
        model = fit_regression(_take(inputs, kept), us[kept], weights[kept])
        for family, index in _by_family(_take(inputs, out)).items():
            rows = out[index]
            own = _take(inputs, rows)
            fit = model.families.get(family)
            predicted[rows] = fit.predict_us(own) if fit else _pooled_design(own) @ model.pooled
    return predicted


def with_errors(
    model: KernelRegression, inputs: Sequence[KernelInput], us: Floats, left_out: Floats
) -> KernelRegression:
    """`model` with each family's relative error, from its rows' out-of-fold predictions."""
    errors = np.log(left_out / us)
    families = dict(model.families)
    for family, index in _by_family(inputs).items():
        if family in families:
            families[family] = replace(families[family], relative_sd=_spread(errors[index]))
    return KernelRegression(families, model.pooled)


def _spread(errors: Floats) -> float:
    """Between a robust and a plain standard deviation; small families are not believed to be exact."""
    robust = robust_sd(errors)
    plain = float(np.sqrt(np.mean(np.minimum(errors**2, 0.25))))
    shrink = 4 / (4 + len(errors))
    return max(MIN_SD, (1 - shrink) * float(np.hypot(robust, plain)) / 2**0.5 + shrink * EXTRAPOLATED_SD / 2)


def _take(inputs: Sequence[KernelInput], index: NDArray[np.intp]) -> list[KernelInput]:
    return [inputs[i] for i in index.tolist()]


def _by_family(inputs: Sequence[KernelInput]) -> dict[str, NDArray[np.intp]]:
    found: dict[str, list[int]] = {}
    for i, kernel in enumerate(inputs):
        found.setdefault(kernel.family, []).append(i)
    return {family: np.array(index, dtype=np.intp) for family, index in found.items()}


def _solve(design: Floats, us: Floats, weights: Floats) -> Floats:
    """Non-negative coefficients, weighted least squares with a small ridge, Huber.

    Errors are relative: first to what was measured, then to the geometric mean of that and the last fit, which is the
    error of the logarithm to first order. Relative to the measured time alone, times that scatter are fitted low.
    """
    from scipy.optimize import nnls

    scale = (design / us[:, None]).max(axis=0)
    scale[scale == 0] = 1.0
    scaled = design / scale
    shrink = np.eye(len(scale)) * RIDGE * np.sqrt(weights.mean() * len(us) / 10)
    current, unit, solution = weights, us, np.zeros(len(scale))
    for _ in range(ROUNDS):
        left = np.vstack([scaled * (current / unit)[:, None], shrink])
        right = np.concatenate([current * us / unit, np.zeros(len(scale))])
        solution = nnls(left, right, maxiter=100 * len(scale))[0]
        predicted = np.maximum(scaled @ solution, us / FURTHEST)
        residual = np.abs(np.log(predicted / us))
        limit = HUBER * (robust_sd(residual) + 1e-3)
        current, unit = weights * np.sqrt(np.minimum(1.0, limit / np.maximum(residual, 1e-9))), np.sqrt(predicted * us)
    return np.asarray(solution / scale, dtype=np.float64)


def _design(inputs: Sequence[KernelInput], rungs: NDArray[np.bool_]) -> Floats:
    """Terms of N kernels of one family, shape (N, T)."""
    return np.concatenate([np.stack(_base_terms(inputs), axis=1), _climbed(inputs)[0][:, rungs]], axis=1)


def _base_terms(inputs: Sequence[KernelInput]) -> list[Floats]:
    work, read, written = (_column(inputs, name) for name in ("work", "read_bytes", "written_bytes"))
    if not inputs[0].family.startswith(COMPUTE):
        return [np.ones(len(inputs)), work, np.sqrt(work), read + written]
    sizes = np.array([kernel.sizes for kernel in inputs])
    powers = (0.0, 0.5, 1.0) if sizes.shape[1] <= 3 else (0.0, 1.0)
    monomials = [
        np.asarray(np.prod(sizes ** np.array(exponents), axis=1))
        for exponents in product(powers, repeat=sizes.shape[1])
    ]
    tiled = list(np.array([kernel.tiled_work for kernel in inputs]).T)
    return [*monomials, *tiled, read, written, _column(inputs, "weight_bytes")]


def _rungs(inputs: Sequence[KernelInput]) -> NDArray[np.bool_]:
    return np.asarray(_climbed(inputs)[1].sum(axis=0) >= MIN_RUNG_ROWS)


def _climbed(inputs: Sequence[KernelInput]) -> tuple[Floats, NDArray[np.bool_]]:
    """Term of every rung and whether each kernel is on it, both of shape (N, R): work and bytes beyond each size that a
    cache may have, pixels on a grid of the channels, and bytes on tiles for kernels that do not fill them."""
    work, read, written = (_column(inputs, name)[:, None] for name in ("work", "read_bytes", "written_bytes"))
    tensors = _ladder(read + written, TENSOR_LADDER)
    if not inputs[0].family.startswith(COMPUTE):
        tiled = np.array([kernel.tiled_bytes for kernel in inputs])
        climbed = np.concatenate([tensors > RUNG, tiled > (1 + RUNG) * (read + written)], axis=1)
        return np.concatenate([(read + written) * tensors, tiled], axis=1), climbed
    weights = _ladder(_column(inputs, "weight_bytes")[:, None], WEIGHT_LADDER)
    rows = _ladder(_column(inputs, "row_bytes")[:, None], ROW_LADDER)
    sizes = np.array([kernel.sizes for kernel in inputs])
    grid = _grid(sizes)
    parts = [(work, weights), (work, rows), (work, tensors), (read, tensors), (written, tensors), (sizes[:, :1], grid)]
    terms = [amount * ramps for amount, ramps in parts]
    return np.concatenate(terms, axis=1), np.concatenate([ramps > RUNG for _, ramps in parts], axis=1)


def _ladder(size_bytes: Floats, edges_kib: Sequence[int]) -> Floats:
    """Log ramps from 0 to 1 between neighbouring edges, one for each pair; `size_bytes` (N, 1)."""
    edges = np.log(np.array(edges_kib) * 1024.0)
    return np.asarray(np.clip((np.log(np.maximum(size_bytes, 1.0)) - edges[:-1]) / np.diff(edges), 0.0, 1.0))


def _grid(sizes: Floats) -> Floats:
    """Products of ramps between neighbouring knots of the channels in and out, or ramps of the one channel axis."""
    ramps = [
        np.clip((sizes[:, axis, None] - np.array(knots[:-1])) / np.diff(knots), 0.0, 1.0)
        for axis, knots in zip(range(1, sizes.shape[1]), KNOTS, strict=False)
    ]
    if len(ramps) == 1:
        return np.asarray(ramps[0])
    return np.asarray((ramps[0][:, :, None] * ramps[1][:, None, :]).reshape(len(sizes), -1))


def _pooled_design(inputs: Sequence[KernelInput]) -> Floats:
    moved = _column(inputs, "read_bytes") + _column(inputs, "written_bytes")
    return np.stack([np.ones(len(inputs)), _column(inputs, "work"), moved], axis=1)


def _column(inputs: Sequence[KernelInput], name: str) -> Floats:
    return np.array([getattr(kernel, name) for kernel in inputs], dtype=np.float64)
