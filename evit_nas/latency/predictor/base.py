"""The seam between predictors and everything that asks for a latency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from evit_nas.graph.kernel import Kernel, KernelGraph
from evit_nas.latency.measurement import Conditions

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Coverage:
    """Shares of the predicted time, summing to 1: from measured rows, inside their range, outside of it."""

    measured: float
    interpolated: float
    extrapolated: float


@dataclass(frozen=True, kw_only=True, slots=True)
class LatencyPrediction:
    """A latency with its 90 % interval. `shares`: provenance -> share of time; `provenance`: the weakest above 1 %."""

    latency_ms: float
    low_ms: float
    high_ms: float
    coverage: Coverage
    shares: Mapping[str, float]
    provenance: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LatencyBatch:
    """Arrays over a population of N: latency and its 90 % interval, and the extrapolated share of time."""

    latency_ms: Floats
    low_ms: Floats
    high_ms: Floats
    extrapolated: Floats


class LatencyPredictor(Protocol):
    """Additive terms per kernel, and a vectorised function of their sums.

    `predict(graph)` equals `combine(terms(graph.kernels)[None])` within 1e-6 relative (a conformance test holds it).
    """

    @property
    def conditions(self) -> Conditions: ...

    def terms(self, kernels: Sequence[Kernel]) -> Floats:
        """Additive terms of these kernels, shape (T,). Raises MissingCostError where nothing covers one."""
        ...

    def combine(self, sums: Floats) -> LatencyBatch:
        """Latencies of N networks from the sums of their terms, shape (N, T)."""
        ...

    def predict(self, graph: KernelGraph) -> LatencyPrediction: ...

    def kernel_times_us(self, kernels: Sequence[Kernel]) -> Floats:
        """Predicted microseconds of each kernel, for breakdowns, shape (len(kernels),)."""
        ...
