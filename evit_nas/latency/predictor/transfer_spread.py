"""Rows that were not timed as kernels on the device, but inferred or carried over, and how far off they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import exp, hypot
from statistics import median

from evit_nas.graph.kernel import KernelSignature
from evit_nas.latency.gaussian import Z95, relative_sd
from evit_nas.latency.measurement import Measurement, Provenance
from evit_nas.latency.predictor.features import axes

INFERRED: tuple[Provenance, ...] = ("transferred", "measured (public)")  # carried over, or the share of a block's time
MAX_SD = 1.0  # relative, of a row: beyond it an interval says no more


def inferred_row(
    signature: KernelSignature, us: float, sd: float, *, timings: int, moment: str, provenance: Provenance
) -> Measurement:
    """A row of `us` microseconds that was not timed as a kernel; its 95 % interval is that of relative `sd`.

    `timings`: how many measurements it rests on. `moment`: ISO 8601, UTC.
    """
    spread = exp(Z95 * min(sd, MAX_SD))
    return Measurement(
        signature=signature,
        timings=timings,
        median_us=us,
        low_us=us / spread,
        high_us=us * spread,
        repeats=1,
        canary=1.0,
        measured_at=moment,
        provenance=provenance,
    )


@dataclass(frozen=True)
class TransferSpread:
    """By family of kernels: the usual spread of inferred rows; `own`: families with a row of the device itself."""

    spread: Mapping[str, float]
    own: frozenset[str]

    @staticmethod
    def of(rows: Iterable[Measurement]) -> TransferSpread:
        spreads: dict[str, list[float]] = {}
        own = set()
        for row in rows:
            if row.provenance in INFERRED:
                spreads.setdefault(axes(row.signature).family, []).append(relative_sd(row.low_us, row.high_us))
            if row.provenance != "transferred":
                own.add(axes(row.signature).family)
        return TransferSpread({family: median(values) for family, values in spreads.items()}, frozenset(own))

    def has_own(self, signature: KernelSignature) -> bool:
        return axes(signature).family in self.own

    def widened(self, signature: KernelSignature, sd: float) -> float:
        """`sd` of a regression, and what the inferred rows that it was fitted on are off together."""
        return hypot(sd, self.spread.get(axes(signature).family, 0.0))
