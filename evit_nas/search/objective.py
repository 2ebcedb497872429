"""What a search asks for: arrays over a population, and a budget with its unit."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from evit_nas.errors import InputError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Rows = NDArray[np.int32]

_BUDGET = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*([a-zµ]*)\s*", re.IGNORECASE)
_UNIT_MS = {"s": 1000.0, "ms": 1.0, "us": 0.001, "µs": 0.001}


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


def parse_budget(text: str) -> float:
    """Milliseconds of `200ms`, `0.2s` or `900us`. Raises InputError on a bare number or one that is not above zero."""
    match = _BUDGET.fullmatch(text)
    if match is None:
        raise InputError(f"budget {text!r}: not a time; write it with a unit, for example 200ms or 0.2s")
    number, unit = match.groups()
    if not unit:
        raise InputError(f"budget {text!r} has no unit: write {number}ms or {number}s")
    if unit.lower() not in _UNIT_MS:
        raise InputError(f"budget {text!r}: unknown unit {unit!r}; valid: s, ms, us")
    budget_ms = float(number) * _UNIT_MS[unit.lower()]
    if not 0 < budget_ms < float("inf"):
        raise InputError(f"budget {text!r}: must be above zero and finite, for example 200ms")
    return budget_ms
