"""The least latency of a space, before the first trial: an impossible budget ends there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evit_nas.errors import Infeasible
from evit_nas.search.breeding import choice_counts
from evit_nas.search.objective import Rows, Score
from evit_nas.search.packing import Row
from evit_nas.space.space import SearchSpace

MAX_ROUNDS = 50  # each one is faster than the last; spaces of 100 dimensions took at most 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Fastest:
    """A member that no single change of a dimension makes faster."""

    row: Row
    latency_ms: float


def fastest(space: SearchSpace, score: Score) -> Fastest:
    """Coordinate descent on latency from the smallest member: all single changes are scored in one batch, the best
    of every dimension are taken together if that helps, else the best alone, until none is faster."""
    row = space.canonical(space.encode([space.smallest()]))[0]
    best = Fastest(row=row, latency_ms=_latency(score, row[None])[0])
    for _ in range(MAX_ROUNDS):
        better = _descend(space, score, best)
        if better is None:
            return best
        best = better
    return best


def check_budget(space: SearchSpace, score: Score, budget_ms: float) -> Fastest:
    """The fastest member. Raises Infeasible, naming its latency, where even that is over the budget."""
    found = fastest(space, score)
    if found.latency_ms > budget_ms:
        raise Infeasible(
            f"budget {budget_ms:g} ms cannot be met: the fastest member of the space takes {found.latency_ms:.3g} ms"
        )
    return found


def _descend(space: SearchSpace, score: Score, best: Fastest) -> Fastest | None:
    changes = _single_changes(best.row, choice_counts(space))
    if not len(changes):
        return None
    rows = space.canonical(changes)
    latency_ms = _latency(score, rows)
    joint = best.row.copy()
    for column in range(len(joint)):
        of_column = np.flatnonzero(changes[:, column] != best.row[column])
        if len(of_column) and latency_ms[of_column].min() < best.latency_ms:
            joint[column] = changes[of_column[latency_ms[of_column].argmin()], column]
    together = space.canonical(joint[None])
    rows = np.concatenate([rows, together])
    latency_ms = np.append(latency_ms, _latency(score, together))
    winner = int(latency_ms.argmin())
    if latency_ms[winner] >= best.latency_ms:
        return None
    return Fastest(row=rows[winner], latency_ms=float(latency_ms[winner]))


def _single_changes(row: Row, counts: NDArray[np.int32]) -> Rows:
    """Every row that differs from `row` in one column, (sum of (choices - 1), D)."""
    changes = []
    for column, count in enumerate(counts.tolist()):
        for choice in range(count):
            if choice != row[column]:
                changed = row.copy()
                changed[column] = choice
                changes.append(changed)
    return np.array(changes, dtype=np.int32).reshape(len(changes), len(row))


def _latency(score: Score, rows: Rows) -> NDArray[np.float64]:
    return np.asarray(score(rows).latency_ms, dtype=np.float64)
