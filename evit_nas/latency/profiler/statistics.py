"""Robust figures from repeated timings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evit_nas.latency.gaussian import Z95

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Centre:
    """A median with its 95 % interval, in the unit of the samples."""

    median: float
    low: float
    high: float

    def over(self, factor: float) -> Centre:
        return Centre(median=self.median / factor, low=self.low / factor, high=self.high / factor)

    def widened(self, half: float) -> Centre:
        """With an independent error whose 95 % interval reaches `half` to each side."""
        reach = float(np.hypot((self.high - self.low) / 2, half))
        return Centre(median=self.median, low=max(self.median - reach, self.median / 10), high=self.median + reach)


def centre_of(samples: Floats) -> Centre:
    """Median and the order-statistic 95 % interval of it (normal approximation of the binomial ranks)."""
    ordered = np.sort(samples)
    n = len(ordered)
    reach = Z95 * np.sqrt(n) / 2
    low = ordered[max(0, int(np.floor(n / 2 - reach)))]
    high = ordered[min(n - 1, int(np.ceil(n / 2 + reach)))]
    return Centre(median=float(np.median(ordered)), low=float(low), high=float(high))


# 97.5 % quantiles of Student's t by degrees of freedom from 2; from 10 on the normal one is close enough
_STUDENT = (4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26)


def centre_of_mean(mean: float, deviation: float, count: int) -> Centre:
    """Mean and Student's 95 % interval of it, from the standard deviation of so many samples (over their number).

    One sample has no interval; that of two is taken as if there were three (its quantile would say nothing).
    """
    half = _student(max(count - 1, 2)) * deviation / (count - 1) ** 0.5 if count > 1 else 0.0
    return Centre(median=mean, low=max(mean - half, mean / 10), high=mean + half)


def centre_over_rounds(rounds: Sequence[Centre], *, least: float = 0.0) -> Centre:
    """Median of the rounds' medians and its 95 % interval, which is never narrower than that within a round.

    The interval is Student's over the rounds: where memory falls differs between processes and not within one, so runs
    of one process would make it look narrower than a repetition would bear out.
    Half of it is at least `least` of the median.
    """
    medians = [centre.median for centre in rounds]
    middle = float(np.median(medians))
    half = float(np.mean([(centre.high - centre.low) / 2 for centre in rounds])) / len(rounds) ** 0.5
    freedom = len(medians) - 1
    if freedom == 1:  # Student's quantile for it says nothing; the other round is a fair guess
        half = max(half, abs(medians[1] - medians[0]))
    elif freedom > 1:
        half = max(half, float(_student(freedom) * np.std(medians, ddof=1) / np.sqrt(len(medians))))
    half = max(half, least * middle)
    return Centre(median=middle, low=max(middle - half, middle / 2), high=middle + half)


def _student(freedom: int) -> float:
    return _STUDENT[freedom - 2] if freedom - 2 < len(_STUDENT) else Z95


def cut_off_half(deviation: float) -> float:
    """Half of the 95 % interval that cutting off to whole ticks leaves, in ticks, once half a tick is put back.

    `deviation` of the cut samples: 0 where all fell into one tick and may stand for anything in it (uniform). Where a
    share p fell into the tick above, they are near the border and their mean at most |p - 1/2| off; ones that spread
    wider tell their mean.
    """
    return 0.95 * math.sqrt(max(0.25 - deviation**2, 0.0))


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
