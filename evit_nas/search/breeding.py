"""Children for NSGA-II on rows of a search space: never one that was seen before, as long as a fresh one is found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evit_nas.search.objective import Rows
from evit_nas.search.packing import Row, packing_of
from evit_nas.space.space import SearchSpace

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial

CROSSOVER_SHARE = 0.9
STEP_SHARE = 0.5  # of mutations: to the neighbouring choice; the others to any
ATTEMPTS = 24
MOST_DRAWS = 50  # of twice the size of the space: a given member stays unseen with probability e^-100


def choice_counts(space: SearchSpace) -> NDArray[np.int32]:
    """Number of choices of each column, (D,)."""
    return np.array([len(dimension.choices) for dimension in space.dimensions], dtype=np.int32)


@dataclass
class Breeder:
    """Optuna's `child_generation_strategy`: a tournament, uniform crossover, mutation, repair by `space.canonical`.

    A child that was seen is mutated again, harder each time; after `ATTEMPTS` a random member is tried instead. The
    random numbers of a generation depend on the seed and its number alone, so a continued search goes the same way.
    """

    space: SearchSpace
    seed: int
    seen: set[bytes] = field(default_factory=set)
    idle: bool = False  # the trial's row is given: answer without a child

    def __post_init__(self) -> None:
        self.counts = choice_counts(self.space)
        self.free = np.flatnonzero(self.counts > 1)
        self.packing = packing_of(self.space)
        self.start(0)

    def start(self, generation: int) -> None:
        """Before the first child of each generation."""
        self._rng = np.random.default_rng([self.seed, generation])
        self._strangers: list[Row] = []

    def first(self, seeds: Rows, count: int) -> list[Row]:
        """The seeds, then random members, all different: `count`, or half of it beside many seeds."""
        drawn = self.space.sample_rows(self.seed, 4 * count)
        return self._fresh([*self.space.canonical(seeds), *drawn])[: max(count, len(seeds) + count // 2)]

    def everyone(self, seeds: Rows) -> list[Row]:
        """Every member of a small space: the seeds, then draws until none is missing."""
        size = self.space.size()
        found = self._fresh(self.space.canonical(seeds))
        for draw in range(MOST_DRAWS):
            if len(found) == size:
                break
            found = self._fresh([*found, *self.space.sample_rows(self.seed + draw, 2 * size)])
        return found

    def _fresh(self, rows: Iterable[Row]) -> list[Row]:
        different: dict[bytes, Row] = {}
        for row in rows:
            if row.tobytes() not in self.seen:
                different.setdefault(row.tobytes(), row)
        return list(different.values())

    def __call__(
        self, study: Study, search_space: dict[str, BaseDistribution], parents: list[FrozenTrial]
    ) -> dict[str, Any]:
        if self.idle:
            return {}
        child = self.child(self._tournament(parents), self._tournament(parents))
        self.seen.add(child.tobytes())
        return self.packing.pack(child)

    def child(self, first: Row, second: Row) -> Row:
        """A member unlike all before, or, where the space has hardly any left, a member seen before."""
        rate = 1.0
        tried = first
        for attempt in range(ATTEMPTS):
            mixed = self._cross(first, second)
            tried = np.asarray(self.space.canonical(self._mutate(mixed, rate)[None])[0])
            if tried.tobytes() not in self.seen:
                return tried
            rate = 1.0 + attempt / 3
        return self._stranger(tried)

    def _stranger(self, otherwise: Row) -> Row:
        if not self._strangers:
            draw = int(self._rng.integers(2**31))
            self._strangers = list(self.space.sample_rows(draw, 128))
        self._strangers = self._fresh(self._strangers)
        return self._strangers.pop() if self._strangers else otherwise

    def _cross(self, first: Row, second: Row) -> Row:
        if self._rng.random() >= CROSSOVER_SHARE:
            return first.copy()
        from_first = self._rng.random(len(first)) < 0.5
        child: Row = np.where(from_first, first, second)
        return child

    def _mutate(self, row: Row, rate: float) -> Row:
        free = self.free
        hit = free[self._rng.random(len(free)) < rate / max(1, len(free))]
        steps = self._rng.choice([-1, 1], len(hit))
        near = np.clip(row[hit] + steps, 0, self.counts[hit] - 1)
        anywhere = self._rng.integers(0, self.counts[hit])
        mutated = row.copy()
        mutated[hit] = np.where(self._rng.random(len(hit)) < STEP_SHARE, near, anywhere)
        return mutated

    def _tournament(self, parents: Sequence[FrozenTrial]) -> Row:
        a, b = (parents[i] for i in self._rng.integers(0, len(parents), 2))
        return self.packing.unpack((a if _beats(a, b) else b).params)


def _beats(a: FrozenTrial, b: FrozenTrial) -> bool:
    """Constrained dominance (Deb et al., 2002): less over the budget first, then better in everything."""
    over_a, over_b = _over_budget(a), _over_budget(b)
    if over_a > 0 or over_b > 0:
        return over_a < over_b
    signs = (-1, 1, 1)  # the metric grows, MACs and latency shrink
    pairs = [(s * x, s * y) for s, x, y in zip(signs, a.values, b.values, strict=True)]
    return all(x <= y for x, y in pairs) and any(x < y for x, y in pairs)


def _over_budget(trial: FrozenTrial) -> float:
    return sum(max(0.0, value) for value in trial.constraints.values())
