"""Members of a space that tell its dimensions apart: a D-optimal fraction at three latency levels.

The model is additive: the mean place of each kind of choice (the kernels of stage 3, say) in its list, and the share of
each unordered choice. Of a large pool those members are taken whose information matrix has the largest determinant
(Fedorov's exchange, from a greedy start; a small ridge keeps it regular). The middle level also holds MACs fixed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evit_nas.accuracy.estimator.published import PublishedEstimator
from evit_nas.space.arch import Resolution
from evit_nas.space.space import Candidate, SearchSpace
from evit_nas.workflows.candidates import resolve_lowering
from evit_nas.workflows.latency import open_device
from evit_nas.workflows.scoring import PopulationScorer

Floats = NDArray[np.float64]
Rows = NDArray[np.int32]

POOL = 20_000
KEPT = 1_500  # of the pool, for each level
RIDGE = 1e-2
PASSES = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Level:
    """Members whose latency is `latency` times that of B0 within `width`; `macs`: their MACs over B0's, within 5 %."""

    name: str
    latency: float
    width: float
    count: int
    macs: float | None = None


def design(
    space: SearchSpace, resolution: Resolution, levels: tuple[Level, ...], seed: int
) -> dict[str, list[Candidate]]:
    """Members by level, in the order in which they tell most. Raises ValueError where a level is not in the pool."""
    rows = pool(space, resolution, seed)
    b0 = space.encode([Candidate(space.member("b0"), resolution)])
    scores = _scorer(space).score(np.concatenate([b0, rows]))
    latency, macs = scores.latency_ms[1:] / scores.latency_ms[0], scores.macs[1:] / scores.macs[0]
    chosen = [_within(level, latency, macs) for level in levels]
    places = np.concatenate(chosen)
    owner = np.repeat(np.arange(len(levels)), [len(own) for own in chosen])
    order = d_optimal(standardised(model_matrix(space, rows[places])), owner, [level.count for level in levels])
    found: dict[str, list[Candidate]] = {level.name: [] for level in levels}
    for place in order:
        found[levels[owner[place]].name] += space.decode(rows[places[place]][None])
    return found


def pool(space: SearchSpace, resolution: Resolution, seed: int) -> Rows:
    """Distinct members at one input size, from those that choose block by block to those with one choice for all."""
    rng = np.random.default_rng(seed)
    names = [dimension.name for dimension in space.dimensions]
    sizes = np.array([len(dimension.choices) for dimension in space.dimensions])
    kinds = {kind: i for i, kind in enumerate(dict.fromkeys(map(kind_of, names)))}
    shared = rng.random((POOL, len(kinds)))[:, [kinds[kind_of(name)] for name in names]]
    alone = rng.random((POOL, len(names)))
    places = np.where(rng.random((POOL, len(names))) < rng.random((POOL, 1)), alone, shared)
    rows = (places * sizes).astype(np.int32)
    rows[:, names.index("resolution")] = space.dimensions[names.index("resolution")].choices.index(resolution)
    return np.unique(space.canonical(rows), axis=0)


def kind_of(name: str) -> str:
    """`stage3.block2.kernel` -> `stage3.kernel`: choices that mean the same in different blocks."""
    return re.sub(r"\.(block\d+|down)\.", ".", name)


def model_matrix(space: SearchSpace, rows: Rows) -> Floats:
    """The columns of the additive model for N rows; what does not count in a member stands at the mean of the pool."""
    active, columns = space.active(rows), []
    kinds: dict[str, list[int]] = {}
    for place, dimension in enumerate(space.dimensions):
        kinds.setdefault(kind_of(dimension.name), []).append(place)
    for own in kinds.values():
        choices = space.dimensions[own[0]].choices
        ordered = all(choice is None or isinstance(choice, bool | int | float) for choice in choices)
        for which in [None] if ordered else range(1, len(choices)):
            values = rows[:, own].astype(np.float64) if which is None else (rows[:, own] == which).astype(np.float64)
            count = active[:, own].sum(axis=1)
            mean = (values * active[:, own]).sum(axis=1) / np.maximum(count, 1)
            columns.append(np.where(count > 0, mean, mean[count > 0].mean() if (count > 0).any() else 0.0))
    return np.stack(columns, axis=1)


def standardised(matrix: Floats) -> Floats:
    """Columns with mean 0 and variance 1, those that never vary left out, and one column of ones."""
    varied = matrix[:, matrix.std(axis=0) > 1e-9]
    scaled = (varied - varied.mean(axis=0)) / varied.std(axis=0)
    return np.concatenate([np.ones((len(matrix), 1)), scaled], axis=1)


def d_optimal(matrix: Floats, owner: NDArray[np.int64], counts: list[int]) -> list[int]:
    """Places of rows, `counts[k]` of those with owner k, that maximise det(X'X + ridge), the most telling first."""
    chosen = _exchanged(matrix, owner, _greedy(matrix, owner, counts))
    order = _greedy(matrix[chosen], owner[chosen], counts)
    return [chosen[place] for place in order]


def _greedy(matrix: Floats, owner: NDArray[np.int64], counts: list[int]) -> list[int]:
    chosen: list[int] = []
    left = np.array(counts)
    inverse = np.eye(matrix.shape[1]) / RIDGE
    while left.any():
        gain = np.where(left[owner] > 0, _gain(matrix, inverse), -1.0)
        gain[chosen] = -1.0
        chosen.append(int(gain.argmax()))
        left[owner[chosen[-1]]] -= 1
        inverse = _added(inverse, matrix[chosen[-1]])
    return chosen


def _exchanged(matrix: Floats, owner: NDArray[np.int64], chosen: list[int]) -> list[int]:
    """Each chosen row against all others of its owner, until nothing is gained."""
    chosen = list(chosen)
    for _ in range(PASSES):
        before = list(chosen)
        for place, old in enumerate(before):
            others = [*chosen[:place], *chosen[place + 1 :]]
            rest = matrix[others]
            inverse = np.linalg.inv(rest.T @ rest + RIDGE * np.eye(matrix.shape[1]))
            gain = np.where(owner == owner[old], _gain(matrix, inverse), -1.0)
            gain[others] = -1.0
            new = int(gain.argmax())
            chosen[place] = new if gain[new] > gain[old] + 1e-9 else old
        if chosen == before:
            break
    return chosen


def _gain(matrix: Floats, inverse: Floats) -> Floats:
    """x' M^-1 x of every row: the determinant grows by this factor, less one, with the row."""
    return np.asarray(np.einsum("ij,ij->i", matrix @ inverse, matrix))


def _added(inverse: Floats, row: Floats) -> Floats:
    """The inverse of the information matrix with a row more, by Sherman and Morrison."""
    projected = inverse @ row
    return np.asarray(inverse - np.outer(projected, projected) / (1 + row @ projected))


def _within(level: Level, latency: Floats, macs: Floats) -> NDArray[np.int64]:
    near = np.abs(latency / level.latency - 1) <= level.width
    if level.macs is not None:
        near &= np.abs(macs / level.macs - 1) <= 0.05
    places = np.flatnonzero(near)[:KEPT]
    if len(places) < 4 * level.count:
        raise ValueError(f"level {level.name}: {len(places)} members in the pool")
    return places


def _scorer(space: SearchSpace) -> PopulationScorer:
    model = open_device("sm8450")
    lowering = resolve_lowering(None, default=model.table.conditions.lowering)
    return PopulationScorer(space, model.predictor, PublishedEstimator(), lowering)
