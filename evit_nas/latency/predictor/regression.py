"""The time of a kernel that has no row: a sum of monotone terms with non-negative coefficients, one fit per family.

Terms are products of the kernel's axes to powers of 0, 1/2 and 1, channel counts also rounded up to XNNPACK's tiles,
and its bytes on log ramps of the working set (the caches). Every term grows in every axis and no coefficient is
negative, so the prediction can never fall when channels or pixels grow; extrapolation stays physical. Fitted with
scikit-learn on relative error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil

import numpy as np

from evit_nas.graph.kernel import KernelSignature
from evit_nas.latency.predictor.base import Floats
from evit_nas.latency.predictor.features import Axes, Facts, axes, facts, ramp

POWERS = (0.0, 0.5, 1.0)
TILES = (8, 16, 32)
RAMPS_MIB = ((0.25, 1.0), (1.0, 4.0), (4.0, 16.0), (16.0, 64.0))
MIN_FAMILY_ROWS = 6
FOLDS = 5
RIDGE = 1e-3  # of a term that explains a row alone; keeps near-equal terms from trading places
EXTRAPOLATED_SD = 0.4  # relative, where a family has too few rows to tell
MIN_SD = 0.02
POOLED = "any kernel"


@dataclass(frozen=True, slots=True)
class Sample:
    """A kernel as the regression reads it."""

    axes: Axes
    facts: Facts

    @staticmethod
    def of(signature: KernelSignature) -> Sample:
        """Raises MissingCostError for an operator that nothing knows."""
        return Sample(axes(signature), facts(signature))


@dataclass(frozen=True)
class FamilyFit:
    """Coefficients (microseconds per unit of each term) and the relative error of kernels left out of the fit."""

    coefficients: Floats
    relative_sd: float
    basis: Callable[[Sample], Floats]

    def predict_us(self, sample: Sample) -> float:
        return float(self.basis(sample) @ self.coefficients)


@dataclass(frozen=True)
class KernelRegression:
    """One fit per family, and a pooled one (MACs, elements, bytes) for families with too few rows."""

    families: Mapping[str, FamilyFit]
    pooled: FamilyFit

    def predict(self, signature: KernelSignature) -> tuple[float, float, bool]:
        """Microseconds, their relative standard deviation, and whether the kernel's own family gave them."""
        sample = Sample.of(signature)
        own = self.families.get(family_of(sample.axes))
        chosen = own or self.pooled
        return chosen.predict_us(sample), chosen.relative_sd, own is not None


def family_of(kernel: Axes) -> str:
    """The key of a fit: XNNPACK has its own microkernels by number of taps."""
    taps = kernel.get("taps", 0.0)
    return f"{kernel.family} {taps:g} taps" if taps > 1 else kernel.family


def fit_regression(signatures: Sequence[KernelSignature], us: Sequence[float]) -> KernelRegression:
    """Fit every family that has at least MIN_FAMILY_ROWS rows, and the pooled fall-back over all rows."""
    samples, times = [Sample.of(signature) for signature in signatures], np.array(us, dtype=np.float64)
    keys = np.array([family_of(sample.axes) for sample in samples])
    families = {}
    for key in dict.fromkeys(keys.tolist()):
        rows = np.flatnonzero(keys == key)
        if len(rows) >= MIN_FAMILY_ROWS:
            families[key] = _fit([samples[i] for i in rows], times[rows], _family_basis)
    pooled = _fit(samples, times, _pooled_basis)
    return KernelRegression(families, FamilyFit(pooled.coefficients, EXTRAPOLATED_SD, pooled.basis))


def _fit(samples: Sequence[Sample], us: Floats, basis: Callable[[Sample], Floats]) -> FamilyFit:
    design = np.array([basis(sample) for sample in samples])
    return FamilyFit(_solve(design, us), _left_out_sd(design, us), basis)


def _solve(design: Floats, us: Floats) -> Floats:
    """Non-negative coefficients, least squares of predicted / measured - 1 with a small ridge."""
    from sklearn.linear_model import LinearRegression

    relative = design / us[:, None]
    scale = relative.max(axis=0)
    scale[scale == 0] = 1.0
    shrink = np.eye(len(scale)) * RIDGE
    model = LinearRegression(fit_intercept=False, positive=True)
    model.fit(np.vstack([relative / scale, shrink]), np.concatenate([np.ones(len(us)), np.zeros(len(scale))]))
    return np.asarray(model.coef_ / scale, dtype=np.float64)


def _left_out_sd(design: Floats, us: Floats) -> float:
    """Robust relative error over FOLDS interleaved folds of rows sorted by time."""
    if len(us) < 2 * FOLDS:
        return EXTRAPOLATED_SD / 2
    fold = np.empty(len(us), dtype=np.intp)
    fold[np.argsort(us)] = np.arange(len(us)) % FOLDS
    errors = np.zeros(len(us))
    for number in range(FOLDS):
        out = fold == number
        errors[out] = design[out] @ _solve(design[~out], us[~out]) / us[out] - 1
    spread = 1.4826 * np.median(np.abs(errors))
    return float(max(MIN_SD, np.sqrt((spread**2 + np.minimum(errors**2, 0.25).mean()) / 2)))


def _family_basis(sample: Sample) -> Floats:
    sizes = [value for name, value in sample.axes.values if name not in ("taps", "stride", "last")]
    powers = POWERS if len(sizes) <= 3 else (0.0, 1.0)
    monomials = [
        float(np.prod([size**power for size, power in zip(sizes, exponents, strict=True)]))
        for exponents in product(powers, repeat=len(sizes))
    ]
    return np.array([*monomials, *_tiled(sample.axes), *_traffic(sample.facts)])


def _pooled_basis(sample: Sample) -> Floats:
    fact = sample.facts
    return np.array([1.0, fact.macs, fact.elements, sum(fact.tensor_bytes), *_traffic(fact)])


def _tiled(kernel: Axes) -> list[float]:
    """MACs with the output channels rounded up to a tile."""
    columns = "cout" if "cout" in dict(kernel.values) else "columns" if "columns" in dict(kernel.values) else "cin"
    width = kernel.get(columns)
    rest = float(np.prod([value for name, value in kernel.values if name not in (columns, "stride", "taps", "last")]))
    return [rest * tile * ceil(width / tile) for tile in TILES]


def _traffic(fact: Facts) -> list[float]:
    """Bytes that miss a cache: all of them, times a ramp of the working set, for each cache-like size."""
    total = sum(fact.tensor_bytes)
    return [total * ramp(total, low, high) for low, high in RAMPS_MIB]
