"""Kendall's tau between scores of networks, with bootstrap intervals over the networks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DRAWS = 4000


@dataclass(frozen=True, kw_only=True, slots=True)
class Tau:
    """tau-b and its 90 % interval; `draws` (DRAWS,) are those of the bootstrap, NaN where all networks tied."""

    value: float
    low: float
    high: float
    draws: Floats

    def shown(self) -> list[float]:
        return [round(self.value, 3), round(self.low, 3), round(self.high, 3)]


def tau(a: Floats, b: Floats, seed: int = 0) -> Tau:
    """Of two scores (N,). The same seed draws the same networks, so that draws of two sources can be compared."""
    first, second = (np.sign(x[:, None] - x[None]) for x in (a, b))
    rng = np.random.default_rng(seed)
    draws = np.array([_tau(first, second, rng.integers(0, len(a), len(a))) for _ in range(DRAWS)])
    low, high = np.nanquantile(draws, [0.05, 0.95])
    return Tau(value=_tau(first, second, np.arange(len(a))), low=float(low), high=float(high), draws=draws)


def above(a: Tau, b: Tau) -> float:
    """Share of the draws in which `a` is above `b`: of the same networks, by the same seed."""
    return float(np.nanmean(a.draws > b.draws))


def _tau(first: Floats, second: Floats, chosen: NDArray[np.int64]) -> float:
    a, b = first[np.ix_(chosen, chosen)], second[np.ix_(chosen, chosen)]
    norm = np.sqrt((a * a).sum() * (b * b).sum())
    return float((a * b).sum() / norm) if norm else float("nan")
