"""What `benchmark_model` says, whichever of the two tools of that name said it and in whichever format.

Formats: tensorflow `stats_calculator.cc` and `tflite/profiling/profile_summary_formatter.cc`, LiteRT
`benchmark_litert_model`. The tool prints most figures twice (rows, shares, totals by type, total): the readers hold
them against each other, so that a damaged output is refused and not half read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from evit_nas.errors import InputError

NUMBER = r"\d+(?:\.\d+)?(?:e[+-]?\d+)?"
_INDEX = re.compile(r"^(?P<name>.*):(?P<index>\d{1,6})$")
DELEGATE = "Delegate/"
SIX_DIGITS = 1e-5  # the tool prints floating-point numbers with six significant digits


class UnreadableOutput(InputError):
    """An output that is cut off, damaged or of a format that is not known. Nothing of it is used."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """Statistics of repeated runs in microseconds, as a `count=5 first=.. avg=..` line gives them."""

    count: int
    avg_us: float
    min_us: float
    max_us: float
    std_us: float
    median_us: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OpRow:
    """One row of an operator profile: an XNNPACK operator (`delegate`) or a TFLite node (`builtin`).

    `avg_us` is per call, `calls` how often it was called a run: more than once where operators of several partitions
    were merged under one name. `index` counts inside the partition, or is the node's.
    """

    op: str
    kind: Literal["delegate", "builtin"]
    index: int
    avg_us: float
    calls: int
    std_us: float | None = None

    @property
    def run_us(self) -> float:
        """Microseconds of one run."""
        return self.avg_us * self.calls


@dataclass(frozen=True, kw_only=True, slots=True)
class OpProfile:
    """Operators of the timed runs (initialisation left out). `runs` behind the averages."""

    rows: tuple[OpRow, ...]
    runs: int
    std_us: float = 0.0  # of the sum over the operators

    @property
    def merged(self) -> tuple[OpRow, ...]:
        """Rows that stand for several operators: what each of them took cannot be told."""
        places = Counter((row.kind, row.index) for row in self.rows)
        return tuple(row for row in self.rows if row.calls > 1 or places[row.kind, row.index] > 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """Standard output of one call: latency of whole timed runs, and the profile where it was printed there."""

    latency: Summary
    init_us: float
    profile: OpProfile | None
    tool: Literal["classic", "litert"]


def op_row(
    node_type: str, name: str, *, avg_us: float, calls: int, std_us: float | None = None, where: str = ""
) -> OpRow:
    """A row from the tool's two texts. Raises UnreadableOutput where they contradict each other."""
    match = _INDEX.match(name)
    if match is None:
        raise UnreadableOutput(f"{where}operator {name[:60]!r} has no index")
    shown, index = match["name"], int(match["index"])
    if calls < 1:
        raise UnreadableOutput(f"{where}operator {name[:60]!r} was called {calls} times")
    if node_type.startswith(DELEGATE) or shown.startswith(DELEGATE):
        op = node_type.removeprefix(DELEGATE)
        if shown == "[Delegate]":
            shown = DELEGATE + op
        if node_type == "DelegateOpInvoke":  # builds before XNNPACK's operators had rows of their own type
            op = shown.removeprefix(DELEGATE)
        if shown != DELEGATE + op:
            raise UnreadableOutput(f"{where}operator {name[:60]!r} has type {node_type[:60]!r}")
        return OpRow(op=op, kind="delegate", index=index, avg_us=avg_us, calls=calls, std_us=std_us)
    if not (shown.startswith("[") and shown.endswith("]")):
        raise UnreadableOutput(f"{where}operator {name[:60]!r} is neither a node nor a delegate's")
    return OpRow(op=node_type, kind="builtin", index=index, avg_us=avg_us, calls=calls, std_us=std_us)


def require(condition: bool, problem: str) -> None:
    """Raise UnreadableOutput unless `condition`."""
    if not condition:
        raise UnreadableOutput(problem)


def close(a: float, b: float, *, absolute: float) -> bool:
    """Whether two prints can be the same number: six significant digits, and `absolute` for what was rounded."""
    return abs(a - b) <= absolute + SIX_DIGITS * max(abs(a), abs(b))


def check_summary(summary: Summary, singles: Iterable[float], where: str) -> Summary:
    """Hold the statistics against each other and against single samples. Raises UnreadableOutput."""
    slack = 1.0 + SIX_DIGITS * summary.max_us
    inside = [*singles, summary.avg_us, *([] if summary.median_us is None else [summary.median_us])]
    ordered = all(summary.min_us - slack <= value <= summary.max_us + slack for value in inside)
    require(summary.count >= 1 and ordered, f"{where}: statistics contradict each other")
    spread = summary.max_us - summary.min_us
    require(summary.std_us <= 0.71 * spread + slack, f"{where}: a standard deviation wider than the range allows")
    if summary.median_us is not None:  # mean and median are never further apart than the standard deviation
        apart = abs(summary.avg_us - summary.median_us)
        require(apart <= summary.std_us + slack, f"{where}: mean and median contradict the deviation")
    return summary


def check_indices(rows: Sequence[OpRow]) -> None:
    """A delegate counts its operators from 0: a gap is a lost or a damaged row. Raises UnreadableOutput."""
    found = {row.index for row in rows if row.kind == "delegate"}
    require(found == set(range(len(found))), "operators of the delegate are missing from the profile")


def check_total(rows: Sequence[OpRow], total_us: float, *, rounding_us: float) -> None:
    """Hold the rows against the sum that the tool prints; `rounding_us` is how far a printed average may be off."""
    found = sum(row.run_us for row in rows)
    slack = 1.0 + rounding_us * sum(row.calls for row in rows)
    require(close(found, total_us, absolute=slack), f"rows add up to {found:.1f} us, the tool says {total_us:.1f} us")
