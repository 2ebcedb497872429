"""Running statistics as the tool keeps and prints them (tsl/util/stats_calculator.h)."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt


@dataclass(slots=True)
class Stat:
    """Whole microseconds."""

    values: list[int] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(self.values)

    @property
    def mean(self) -> float:
        return self.total / len(self.values)

    @property
    def deviation(self) -> float:
        mean = self.mean
        return sqrt(sum((value - mean) ** 2 for value in self.values) / len(self.values))

    def line(self, percentiles: bool = False) -> str:
        """`count=5 first=... curr=... min=... max=... avg=... std=...`."""
        values = self.values
        if not values:
            return "count=0"
        if min(values) == max(values):
            text = f"count={len(values)} curr={values[-1]}" + ("(all same)" if len(values) > 1 else "")
        else:
            text = (
                f"count={len(values)} first={values[0]} curr={values[-1]} min={min(values)} max={max(values)} "
                f"avg={self.mean:g} std={int(self.deviation)}"
            )
        if percentiles:
            ordered = sorted(values)
            last = len(ordered) - 1
            p5, median, p95 = (ordered[round(share * last)] for share in (0.05, 0.5, 0.95))
            text += f" p5={p5} median={median} p95={p95}"
        return text


@dataclass(slots=True)
class Row:
    """All calls under one name in all runs; `run_order` is the place of the first."""

    node_type: str
    name: str
    run_order: int
    time_us: Stat = field(default_factory=Stat)
    memory_kb: float = 0.0


@dataclass(slots=True)
class Profile:
    """Rows by name, and the sum of each run."""

    title: str
    rows: dict[str, Row] = field(default_factory=dict)
    runs: Stat = field(default_factory=Stat)

    def add_run(self, events: list[tuple[str, str, int]]) -> None:
        """One run's events: node type, name, microseconds. Equal names become one row, as in the tool."""
        for order, (node_type, name, time_us) in enumerate(events):
            row = self.rows.setdefault(name, Row(node_type, name, order))
            row.time_us.values.append(time_us)
        self.runs.values.append(sum(time_us for _, _, time_us in events))

    def times_called(self, row: Row) -> int:
        return len(row.time_us.values) // len(self.runs.values)

    def run_order(self) -> list[Row]:
        """As the tool sorts it: by a number that is compared as text, scrambled once it is below -99."""
        keys = {row.name: f"{len(self.rows) - row.run_order:>20}" for row in self.rows.values()}
        return sorted(self.rows.values(), key=lambda row: keys[row.name], reverse=True)

    def by_time(self) -> list[Row]:
        return sorted(self.rows.values(), key=lambda row: row.time_us.total, reverse=True)
