"""Scores of whole populations: the terms of a block are built once from the graph, then summed.

A population is the integer matrix of `SearchSpace.encode`. Each slot of the space names the columns that its blocks
depend on, so a slot's terms are looked up by the packed value of those columns; only combinations never seen before are
decoded, laid out, emitted and fused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from evit_nas.accuracy.estimator.base import AccuracyEstimator
from evit_nas.graph.block_kernels import block_kernels
from evit_nas.graph.blocks import Block, Placed, layout
from evit_nas.graph.cost import block_macs, block_params
from evit_nas.graph.lowering import Lowering
from evit_nas.latency.predictor.base import LatencyPredictor
from evit_nas.search.objective import Scores
from evit_nas.space.dimension import Slot
from evit_nas.space.space import SearchSpace

Floats = NDArray[np.float64]
Rows = NDArray[np.int32]


@dataclass
class _SlotTerms:
    """Terms of one slot by the packed value of its columns. `matrix` grows; `index` maps a code to its row."""

    columns: NDArray[np.intp]
    strides: NDArray[np.int64]
    index: dict[int, int] = field(default_factory=dict)
    matrix: list[Floats] = field(default_factory=list)

    def codes(self, rows: Rows) -> NDArray[np.int64]:
        return rows[:, self.columns].astype(np.int64) @ self.strides


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
        sizes = np.array([len(d.choices) for d in self.space.dimensions], dtype=np.int64)
        self._slots = self.space.slots()
        self._terms = [_slot_terms(slot, sizes) for slot in self._slots]
        self._blocks: dict[Block, Floats] = {}
        self._size_column = [d.name for d in self.space.dimensions].index("resolution")
        self._sides = np.array(self.space.resolutions, dtype=np.float64)
        self._split = (len(self.predictor.terms(())), len(self.estimator.terms(())))

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
        sums = np.zeros((len(rows), sum(self._split) + 2))
        layouts: dict[int, tuple[Placed, ...]] = {}
        for slot, terms in zip(self._slots, self._terms, strict=True):
            codes, first, inverse = np.unique(terms.codes(rows), return_index=True, return_inverse=True)
            for code, row in zip(codes.tolist(), first.tolist(), strict=True):
                if code not in terms.index:
                    terms.index[code] = len(terms.matrix)
                    terms.matrix.append(self._slot_vector(slot, rows, row, layouts))
            picked = np.array([terms.matrix[terms.index[code]] for code in codes.tolist()])
            sums += picked[inverse]
        return sums

    def _slot_vector(self, slot: Slot, rows: Rows, row: int, layouts: dict[int, tuple[Placed, ...]]) -> Floats:
        if row not in layouts:
            (candidate,) = self.space.decode(rows[row : row + 1])
            layouts[row] = layout(candidate.arch, candidate.resolution)
        blocks = [placed.block for placed in layouts[row] if slot.holds(placed.path)]
        return sum((self._block_vector(block) for block in blocks), np.zeros(sum(self._split) + 2))

    def _block_vector(self, block: Block) -> Floats:
        if block not in self._blocks:
            kernels = block_kernels(block, self.lowering)
            costs = np.array([block_macs(block), block_params(block)], dtype=np.float64)
            accuracy = self.estimator.terms((block,))
            self._blocks[block] = np.concatenate([self.predictor.terms(kernels), accuracy, costs])
        return self._blocks[block]


def _slot_terms(slot: Slot, sizes: NDArray[np.int64]) -> _SlotTerms:
    columns: Sequence[int] = slot.columns
    radix = np.cumprod(np.concatenate([[1], sizes[list(columns)][:-1]])).astype(np.int64)
    return _SlotTerms(np.array(columns, dtype=np.intp), radix)
