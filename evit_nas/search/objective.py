"""What a search asks for: the scores of a population, as arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Rows = NDArray[np.int32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """Arrays of length N: latency and accuracy with their 90 % intervals, MACs and parameters as the family counts."""

    latency_ms: Floats
    latency_low_ms: Floats
    latency_high_ms: Floats
    macs: Integers
    params: Integers
    metric_value: Floats
    metric_low: Floats
    metric_high: Floats

    def __len__(self) -> int:
        return len(self.latency_ms)

    def take(self, picked: Sequence[int] | Integers | NDArray[np.bool_]) -> Scores:
        """The scores of these members."""
        return Scores(**{name: getattr(self, name)[picked] for name in SCORE_FIELDS})


SCORE_FIELDS: tuple[str, ...] = tuple(f.name for f in fields(Scores))
Score = Callable[[Rows], Scores]


def join(batches: Sequence[Scores]) -> Scores:
    """One population of several, in order."""
    return Scores(**{name: np.concatenate([getattr(b, name) for b in batches]) for name in SCORE_FIELDS})
