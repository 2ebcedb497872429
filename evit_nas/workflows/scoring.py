"""Scores of whole populations: the terms of a block are built once from the graph, then summed.

A population is the integer matrix of `SearchSpace.encode`. Each slot of the space names the columns that its blocks
depend on; slots with the same columns form a group, whose summed terms are looked up by the packed value of those
columns. Only combinations never seen before are decoded, laid out, emitted and fused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evit_nas.accuracy.estimator.base import AccuracyEstimator
from evit_nas.graph.block_kernels import block_kernels
from evit_nas.graph.blocks import Block, layout
from evit_nas.graph.cost import block_macs, block_params
from evit_nas.graph.lowering import Lowering
from evit_nas.latency.predictor.base import LatencyPredictor
from evit_nas.search.objective import Scores
from evit_nas.space.dimension import Slot
from evit_nas.space.space import SearchSpace

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Rows = NDArray[np.int32]

CHUNK = 2048  # rows summed at a time, so that their sums stay in the cache


@dataclass
class _Group:
    """Slots that the same columns decide. `codes` (K,): packed columns, ascending; `terms` (K, T): summed terms."""

    slots: tuple[Slot, ...]
    columns: tuple[int, ...]
    radix: Codes
    codes: Codes
    terms: Floats

    def pack(self, rows: Rows) -> Codes:
        packed = np.zeros(len(rows), dtype=np.int64)
        for column, factor in zip(self.columns, self.radix.tolist(), strict=True):
            packed += rows[:, column] * np.int64(factor)
        return packed

    def unknown(self, codes: Codes) -> NDArray[np.intp]:
        """Places in `codes` where those that have no terms yet occur first."""
        fresh, first = np.unique(codes, return_index=True)
        return np.asarray(first[~np.isin(fresh, self.codes, assume_unique=True)])

    def add(self, codes: Codes, terms: Floats) -> None:
        joined = np.concatenate([self.codes, codes])
        order = np.argsort(joined)
        self.codes, self.terms = joined[order], np.concatenate([self.terms, terms])[order]


@dataclass
class PopulationScorer:
    """`score(rows)` of members of `space`: latency, MACs, parameters and accuracy, as arrays.

    One per (space, predictor, estimator, lowering); what it has built stays for the next population.
    """

    space: SearchSpace
    predictor: LatencyPredictor
    estimator: AccuracyEstimator
    lowering: Lowering

    def __post_init__(self) -> None:
        self._split = (len(self.predictor.terms(())), len(self.estimator.terms(())))
        self._width = sum(self._split) + 2  # and MACs and parameters
        sizes = np.array([len(d.choices) for d in self.space.dimensions], dtype=np.int64)
        self._groups = _grouped(self.space.slots(), sizes, self._width)
        self._group_of: dict[str, int] = {}
        self._blocks: dict[Block, Floats] = {}
        self._size_column = [d.name for d in self.space.dimensions].index("resolution")
        self._sides = np.array(self.space.resolutions, dtype=np.float64)

    def score(self, rows: Rows) -> Scores:
        """Arrays of length N for the canonical rows (N, D)."""
        rows = np.asarray(rows, dtype=np.int32)
        sums = self._sums(rows)
        latency_terms, accuracy_terms = self._split
        latency = self.predictor.combine(sums[:, :latency_terms])
        accuracy = self.estimator.combine(
            sums[:, latency_terms : latency_terms + accuracy_terms], self._sides[rows[:, self._size_column]]
        )
        macs, params = np.rint(sums[:, -2:]).astype(np.int64).T
        return Scores(
            latency_ms=latency.latency_ms,
            latency_low_ms=latency.low_ms,
            latency_high_ms=latency.high_ms,
            macs=macs,
            params=params,
            metric_value=accuracy.value,
            metric_low=accuracy.low,
            metric_high=accuracy.high,
        )

    def extrapolated(self, rows: Rows) -> Floats:
        """Share of each member's time that rests on extrapolated kernels, shape (N,)."""
        return self.predictor.combine(self._sums(np.asarray(rows, dtype=np.int32))[:, : self._split[0]]).extrapolated

    def _sums(self, rows: Rows) -> Floats:
        codes = [group.pack(rows) for group in self._groups]
        self._build(rows, codes)
        places = [np.searchsorted(group.codes, own) for group, own in zip(self._groups, codes, strict=True)]
        sums = np.zeros((len(rows), self._width))
        for start in range(0, len(rows), CHUNK):
            part = slice(start, start + CHUNK)
            for group, place in zip(self._groups, places, strict=True):
                sums[part] += group.terms[place[part]]
        return sums

    def _build(self, rows: Rows, codes: Sequence[Codes]) -> None:
        """Terms of every combination in `codes` that has none. A row is decoded once for all groups that need it."""
        first = [group.unknown(own) for group, own in zip(self._groups, codes, strict=True)]
        wanted = np.unique(np.concatenate(first)) if first else np.empty(0, dtype=np.intp)
        if not len(wanted):
            return
        found = [np.zeros((len(places), self._width)) for places in first]
        users: dict[int, list[tuple[int, int]]] = {row: [] for row in wanted.tolist()}
        for number, places in enumerate(first):
            for k, row in enumerate(places.tolist()):
                users[row].append((number, k))
        for candidate, uses in zip(self.space.decode(rows[wanted]), users.values(), strict=True):
            targets = {number: found[number][k] for number, k in uses}
            for placed in layout(candidate.arch, candidate.resolution):
                target = targets.get(self._group(placed.path))
                if target is not None:
                    target += self._block_terms(placed.block)
        for group, own, places, terms in zip(self._groups, codes, first, found, strict=True):
            group.add(own[places], terms)

    def _group(self, path: str) -> int:
        """Number of the group that holds the block at `path`."""
        if path not in self._group_of:
            holds = (any(slot.holds(path) for slot in group.slots) for group in self._groups)
            self._group_of[path] = next(number for number, held in enumerate(holds) if held)
        return self._group_of[path]

    def _block_terms(self, block: Block) -> Floats:
        if block not in self._blocks:
            costs = np.array([block_macs(block), block_params(block)], dtype=np.float64)
            latency = self.predictor.terms(block_kernels(block, self.lowering))
            self._blocks[block] = np.concatenate([latency, self.estimator.terms((block,)), costs])
        return self._blocks[block]


def _grouped(slots: Sequence[Slot], sizes: Codes, width: int) -> list[_Group]:
    """Slots by their columns; each starts without any terms of that `width`."""
    members: dict[tuple[int, ...], list[Slot]] = {}
    for slot in slots:
        members.setdefault(tuple(slot.columns), []).append(slot)
    return [
        _Group(
            slots=tuple(own),
            columns=columns,
            radix=np.cumprod([1, *sizes[list(columns)]], dtype=np.int64)[:-1],
            codes=np.empty(0, dtype=np.int64),
            terms=np.empty((0, width)),
        )
        for columns, own in members.items()
    ]
