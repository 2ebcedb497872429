"""The seam between accuracy estimators and everything that asks for an accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from evit_nas.graph.blocks import Block
from evit_nas.space.arch import ArchConfig, Resolution

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class AccuracyEstimate:
    """A value of the estimator's metric in percent with its 90 % interval.

    `departures` lists in words where the network leaves the evidence behind the estimate.
    """

    value: float
    low: float
    high: float
    departures: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class AccuracyBatch:
    """Arrays over a population of N."""

    value: Floats
    low: Floats
    high: Floats


class AccuracyEstimator(Protocol):
    """As LatencyPredictor: additive terms per block, a vectorised function of their sums and the resolutions.

    `estimate` equals `combine(terms(blocks of arch)[None], ...)` within 1e-6 (a conformance test holds it).
    """

    @property
    def metric(self) -> str:
        """`miou` or `top1`."""
        ...

    @property
    def label(self) -> str:
        """What the numbers are, for example `estimate (published anchors)`."""
        ...

    @property
    def loo_error(self) -> float:
        """Mean absolute error in points, leaving one network out."""
        ...

    @property
    def evidence(self) -> frozenset[str]:
        """Dimensions of the search space that the source has evidence on; all others stay at their official value."""
        ...

    def terms(self, blocks: Sequence[Block]) -> Floats:
        """Additive terms of these blocks, shape (T,)."""
        ...

    def combine(self, sums: Floats, resolutions: Floats) -> AccuracyBatch:
        """Estimates of N networks: sums (N, T), resolutions (N, 2) in pixels."""
        ...

    def estimate(self, arch: ArchConfig, resolution: Resolution) -> AccuracyEstimate: ...
