"""Robust figures from repeated timings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Z95 = 1.96


@dataclass(frozen=True, kw_only=True, slots=True)
class Centre:
    """A median with its 95 % interval, in the unit of the samples."""

    median: float
    low: float
    high: float


def centre_of(samples: Floats) -> Centre:
    """Median and the order-statistic 95 % interval of it (normal approximation of the binomial ranks)."""
    ordered = np.sort(samples)
    n = len(ordered)
    reach = Z95 * np.sqrt(n) / 2
    low = ordered[max(0, int(np.floor(n / 2 - reach)))]
    high = ordered[min(n - 1, int(np.ceil(n / 2 + reach)))]
    return Centre(median=float(np.median(ordered)), low=float(low), high=float(high))


def centre_of_ticks(samples: Floats, *, truncated: bool) -> Centre:
    """The same for samples in whole ticks: the median is interpolated inside its tick (grouped data).

    `truncated`: a sample of k stands for k to k + 1 (a difference cut off below), else for k - 1/2 to k + 1/2.
    """
    offset = 0.5 if truncated else 0.0
    ordered = np.sort(samples)
    n = len(ordered)
    reach = Z95 * np.sqrt(n) / 2
    ranks = np.clip(np.array([n / 2, n / 2 - reach, n / 2 + reach]), 0.0, float(n))
    values, counts = np.unique(ordered, return_counts=True)
    edges = np.concatenate([[0], np.cumsum(counts)])
    at = np.clip(np.searchsorted(edges, ranks, side="right") - 1, 0, len(values) - 1)
    inside = (ranks - edges[at]) / counts[at]
    median, low, high = (values[at] - 0.5 + inside + offset).tolist()
    return Centre(median=max(median, 0.05), low=max(low, 0.05), high=max(high, 0.05))
