"""Accuracy from members that were measured: ridge regression on a network's description."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evit_nas.accuracy.estimator.base import AccuracyBatch, AccuracyEstimate
from evit_nas.accuracy.estimator.description import FEATURES, evidence_of, features, network_terms
from evit_nas.accuracy.estimator.members import Members, read_members
from evit_nas.accuracy.metric import METRICS
from evit_nas.errors import InputError
from evit_nas.graph.blocks import Block, layout
from evit_nas.space.arch import ArchConfig, Resolution, resolution_text

Floats = NDArray[np.float64]

MIN_NETWORKS = 6
RIDGE_GRID = np.geomspace(1e-2, 1e2, 25)
COVERAGE = 0.9


@dataclass(frozen=True, kw_only=True, slots=True)
class _Fit:
    """Ridge on standardised features. `residual`: 90 % quantile of the left-out residuals, `leverage`: their mean.

    `left_out` (N,): each member predicted from the others.
    """

    centre: Floats
    scale: Floats
    weights: Floats
    mean: float
    inverse: Floats
    residual: float
    leverage: float
    loo_error: float
    left_out: Floats


class MeasuredEstimator:
    """Estimate from measured members, in percent.

    The features are those of description.FEATURES; one that never varies among the members has no weight, and its
    group is not in `evidence`. The strength of the ridge is chosen by leaving one network out (all its inputs
    together); the 90 % interval is the quantile of those residuals times the square root of the leverage, so it widens
    away from the members. `loo_error` is the mean absolute left-out residual in points, `left_out` holds each member as
    predicted from the others.
    """

    def __init__(self, members: Members, *, name: str) -> None:
        networks = len({member.arch for member in members.rows})
        if networks < MIN_NETWORKS:
            raise InputError(f"{name}: {networks} different networks; a measured source needs at least {MIN_NETWORKS}")
        self.metric = members.metric
        self.label = f"measured ({name}, {networks} networks)"
        self.evidence = evidence_of([(member.arch, member.resolution) for member in members.rows])
        self._fit = _fit(members)
        self._inputs = frozenset(member.resolution for member in members.rows)
        self.loo_error = self._fit.loo_error
        self.left_out = self._fit.left_out

    @classmethod
    def from_csv(cls, path: Path) -> MeasuredEstimator:
        """From a file (members.read_members). Raises InputError."""
        return cls(read_members(path), name=path.name)

    def terms(self, blocks: Sequence[Block]) -> Floats:
        """Additive terms of the description, shape (T,)."""
        return network_terms(blocks)

    def combine(self, sums: Floats, resolutions: Floats) -> AccuracyBatch:
        """Estimates in percent of N networks: sums (N, T), resolutions (N, 2) in pixels."""
        fit = self._fit
        standard = (features(sums, resolutions) - fit.centre) / fit.scale
        value = fit.mean + standard @ fit.weights
        leverage = np.einsum("ij,jk,ik->i", standard, fit.inverse, standard)
        half = fit.residual * np.sqrt((1 + leverage) / (1 + fit.leverage))
        low, middle, high = (np.clip(column, 0.0, 100.0) for column in (value - half, value, value + half))
        return AccuracyBatch(value=middle, low=low, high=high)

    def estimate(self, arch: ArchConfig, resolution: Resolution) -> AccuracyEstimate:
        """Estimate of one network in percent. Raises InputError where the metric is not that of its task."""
        if self.metric != METRICS[arch.task]:
            raise InputError(f"{self.label} gives {self.metric}, not for a {arch.task} network")
        sums = self.terms([placed.block for placed in layout(arch, resolution)])[None]
        inputs = np.array([resolution], dtype=np.float64)
        batch = self.combine(sums, inputs)
        standard = np.abs((features(sums, inputs) - self._fit.centre) / self._fit.scale)[0]
        beyond = [f"{name}: far from any measured member" for name, z in zip(FEATURES, standard, strict=True) if z > 3]
        if len(self._inputs) == 1 and resolution not in self._inputs:
            (own,) = self._inputs
            beyond.append(f"input {resolution_text(resolution)}: all members were measured at {resolution_text(own)}")
        value, low, high = (float(column[0]) for column in (batch.value, batch.low, batch.high))
        return AccuracyEstimate(value=value, low=low, high=high, departures=tuple(beyond))


def _fit(members: Members) -> _Fit:
    rows = members.rows
    sums = np.array([network_terms([p.block for p in layout(m.arch, m.resolution)]) for m in rows])
    table = features(sums, np.array([member.resolution for member in rows], dtype=np.float64))
    values = np.array([member.value for member in rows])
    weight = np.array([member.seeds for member in rows], dtype=np.float64)
    number = {arch: i for i, arch in enumerate(dict.fromkeys(member.arch for member in rows))}
    groups = np.array([number[member.arch] for member in rows], dtype=np.intp)
    centre, scale = table.mean(axis=0), table.std(axis=0)
    varied = scale > 1e-9 * (1 + np.abs(centre))
    scale = np.where(varied, scale, 1.0)
    standard = np.where(varied, (table - centre) / scale, 0.0)
    residuals = [_left_out(standard, values, weight, groups, strength) for strength in RIDGE_GRID]
    best = int(np.argmin([(r**2).mean() for r in residuals]))
    mean, weights, inverse = _ridge(standard, values, weight, float(RIDGE_GRID[best]))
    leverage = np.einsum("ij,jk,ik->i", standard, inverse, standard)
    return _Fit(
        centre=centre,
        scale=scale,
        weights=weights,
        mean=mean,
        inverse=inverse,
        residual=_quantile(np.abs(residuals[best])),
        leverage=float(leverage.mean()),
        loo_error=float(np.abs(residuals[best]).mean()),
        left_out=values + residuals[best],
    )


def _ridge(x: Floats, y: Floats, weight: Floats, strength: float) -> tuple[float, Floats, Floats]:
    """Weighted ridge with a free mean: mean, weights (F,), inverse of the regularised Gram matrix (F, F)."""
    mean = float(np.average(y, weights=weight))
    weighted = x * weight[:, None]
    inverse = np.asarray(np.linalg.inv(weighted.T @ x + strength * np.eye(x.shape[1])), dtype=np.float64)
    return mean, inverse @ weighted.T @ (y - mean), inverse


def _left_out(x: Floats, y: Floats, weight: Floats, groups: NDArray[np.intp], strength: float) -> Floats:
    residuals = np.empty(len(y))
    for group in np.unique(groups):
        out = groups == group
        mean, weights, _ = _ridge(x[~out], y[~out], weight[~out], strength)
        residuals[out] = mean + x[out] @ weights - y[out]
    return residuals


def _quantile(residuals: Floats) -> float:
    """The conformal 90 % quantile: one rank above the plain one, the largest where there are too few."""
    rank = int(np.ceil((len(residuals) + 1) * COVERAGE))
    return float(np.sort(residuals)[min(rank, len(residuals)) - 1])
