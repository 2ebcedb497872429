"""Rows of a table that say a larger kernel is faster, beyond their noise. They stay as measured; they are listed.

Causes seen: tiles (40 channels take longer than 48), a kernel that ran in a disturbed round, two algorithms for one
operator. The regression is monotone and does not follow them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from evit_nas.graph.kernel import GRAPH_KIND
from evit_nas.latency.measurement import Measurement
from evit_nas.latency.predictor.features import hull_axes

MARGIN = 1.1  # beyond both intervals by a tenth: what rows of different sessions differ by without a cause


@dataclass(frozen=True, kw_only=True, slots=True)
class Inversion:
    """`larger` is at least as large as `smaller` in every axis and took less time. `ratio`: smaller over larger."""

    larger: Measurement
    smaller: Measurement
    ratio: float


def inversions(rows: Iterable[Measurement]) -> tuple[Inversion, ...]:
    """For each measured row that is an inversion the row that it contradicts most; the worst first."""
    alike: dict[tuple[str, str, tuple[str, ...]], list[tuple[Measurement, tuple[float, ...]]]] = {}
    for row in rows:
        if row.signature.kind != GRAPH_KIND:
            kernel = hull_axes(row.signature)
            names, values = zip(*kernel.values, strict=True)
            alike.setdefault((kernel.family, kernel.variant, names), []).append((row, values))
    found = [item for group in alike.values() for item in _in_group(group)]
    return tuple(sorted(found, key=lambda item: -item.ratio))


def _in_group(group: list[tuple[Measurement, tuple[float, ...]]]) -> list[Inversion]:
    sizes = np.array([values for _, values in group])
    low, high = np.array([(row.low_us, row.high_us) for row, _ in group]).T
    found = []
    for i, (row, _) in enumerate(group):
        no_larger = (sizes <= sizes[i]).all(axis=1) & (sizes < sizes[i]).any(axis=1)
        slower = np.where(no_larger, low, 0.0)
        worst = int(slower.argmax())
        if slower[worst] > MARGIN * high[i]:
            other = group[worst][0]
            found.append(Inversion(larger=row, smaller=other, ratio=other.median_us / row.median_us))
    return found
