"""The sections of an operator profile in text (stdout, csv): run order, most expensive, by type, totals."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from evit_nas.latency.profiler.benchmark_model.output import (
    OpProfile,
    OpRow,
    Summary,
    UnreadableOutput,
    check_indices,
    check_total,
    close,
    op_row,
    require,
)
from evit_nas.latency.profiler.benchmark_model.statistics_line import parse_statistics

REGULAR = "Operator-wise Profiling Info for Regular Benchmark Runs:"
INITIAL = "Profiling Info for Benchmark Initialization:"
DELEGATE_INTERNAL = "Delegate internal:"
_TITLE = re.compile(r"=+ (?P<title>[A-Za-z ]+) =+")
_EXECUTED = re.compile(r"Number of nodes executed: (\d{1,6})")
_OBSERVED = re.compile(r"(\d{1,6}) nodes observed")
_IGNORED = re.compile(r"Memory \(bytes\): .*|(Primary graph|Subgraph) \(.*\) profile:|Primary graph profile:")
_SUBGRAPH = re.compile(r"Subgraph \(index: [1-9].*")
_TIMINGS = "Timings (microseconds):"

Cells = dict[str, str]
Split = Callable[[str, tuple[str, ...]], Sequence[str]]  # a line and its header -> one cell a column
_RUN_ORDER, _TOP, _BY_TYPE = "Run Order", "Top by Computation Time", "Summary by node type"
_ROW_COLUMNS = {"node type", "first", "avg ms", "%", "times called", "name"}
_TYPE_COLUMNS = {"node type", "count", "avg ms", "times called"}
_STATISTICS = "Delegate Statistics"  # LiteRT's, by operator name over all partitions: says nothing new


@dataclass
class _Block:
    """The profile of one graph, or of a delegate's inside, as it is read."""

    rows: list[Cells] = field(default_factory=list)
    top: list[Cells] = field(default_factory=list)
    by_type: list[Cells] = field(default_factory=list)
    executed: int = -1
    observed: int = -1
    timings: Summary | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TextFormat:
    """How one of the text formats writes a row. `rounding_us`: how far a printed average may be off.

    `litert`: written by LiteRT's tool, which lists every operator by time and averages the types over their calls.
    """

    header: Callable[[str], tuple[str, ...] | None]
    split: Split
    rounding_us: float
    litert: bool = False


def parse_sections(lines: Sequence[str], style: TextFormat) -> OpProfile:
    """The profile in `lines`, which start after the title of the timed runs. Raises UnreadableOutput."""
    blocks: list[_Block] = []
    internal: list[int] = []
    reader = _Reader(style)
    for line in lines:
        if not line.strip():
            continue
        require(_SUBGRAPH.fullmatch(line.strip()) is None, "a model of several subgraphs: rows cannot be told apart")
        if line.strip() == DELEGATE_INTERNAL:
            internal.append(len(blocks))
        elif reader.read(line):
            blocks.append(reader.take())
    reader.check_finished()
    require(bool(blocks), "an operator profile without rows")
    require(internal in ([], [1]) and len(blocks) == 1 + len(internal), "several operator profiles in one output")
    profiles = [_checked(block, style) for block in blocks]
    check_indices([row for profile in profiles for row in profile.rows])
    if not internal:
        return profiles[0]
    outside = tuple(row for row in profiles[0].rows if row.kind == "builtin" and "Delegate" not in row.op)
    return OpProfile(rows=outside + profiles[1].rows, runs=profiles[0].runs, std_us=profiles[0].std_us)


class _Reader:
    """Takes lines one by one; a block ends with its `nodes observed`."""

    def __init__(self, style: TextFormat) -> None:
        self._style = style
        self._block = _Block()
        self._section = ""
        self._header: tuple[str, ...] | None = None

    def read(self, line: str) -> bool:
        """Whether the line ended a block."""
        text = line.strip()
        if title := _TITLE.fullmatch(text):
            self._section, self._header = title["title"], None
        elif match := _EXECUTED.fullmatch(text):
            self._block.executed, self._section = int(match[1]), ""
        elif match := _OBSERVED.fullmatch(text):
            self._block.observed = int(match[1])
            return True
        elif text.startswith(_TIMINGS):
            figures = text.removeprefix(_TIMINGS)
            self._block.timings = parse_statistics(figures, "operator timings", lone=self._style.litert)
            self._section = ""
        elif self._section:
            self._row(line)
        else:
            require(_IGNORED.fullmatch(text) is not None, f"an unknown line in the profile: {text[:60]!r}")
        return False

    def take(self) -> _Block:
        done, self._block, self._section = self._block, _Block(), ""
        return done

    def check_finished(self) -> None:
        cut_off = self._block.rows or self._block.by_type or self._block.executed != -1 or self._section
        require(not cut_off, "the operator profile is cut off")

    def _row(self, line: str) -> None:
        if self._section == _STATISTICS:
            return
        if self._header is None:
            self._header = self._style.header(line)
            needed = _TYPE_COLUMNS if self._section == _BY_TYPE else _ROW_COLUMNS
            whole = self._header is not None and needed <= set(self._header)
            require(whole, f"no header where one belongs: {line.strip()[:60]!r}")
            return
        cells = self._style.split(line, self._header)
        require(len(cells) == len(self._header), f"a row of another length: {line.strip()[:60]!r}")
        named = dict(zip(self._header, (cell.strip() for cell in cells), strict=True))
        target = {_RUN_ORDER: self._block.rows, _TOP: self._block.top, _BY_TYPE: self._block.by_type}
        if self._section not in target:
            raise UnreadableOutput(f"an unknown section {self._section!r}")
        target[self._section].append(named)


def _checked(block: _Block, style: TextFormat) -> OpProfile:
    """A block as a profile, after everything that it says twice was compared."""
    require(block.timings is not None and block.executed >= 0, "the operator profile is cut off")
    assert block.timings is not None
    require(len(block.rows) == block.executed == block.observed, "rows are missing from the operator profile")
    known = [_without_cdf(cells) for cells in block.rows]
    agree = all(_without_cdf(cells) in known for cells in block.top)
    require(agree, "two tables of the profile contradict each other")
    listed = len(block.rows) if style.litert else min(10, len(block.rows))
    require(len(block.top) == listed, "rows are missing from the most expensive operators")
    rows, rounding_us = tuple(map(_op_row, block.rows)), style.rounding_us
    total = block.timings.avg_us
    check_total(rows, total, rounding_us=rounding_us)
    for cells, row in zip(block.rows, rows, strict=True):
        slack = 0.0011 + 100 * (2 * row.calls * rounding_us + 0.5) / max(total, 1.0)
        require(close(_percent(cells["%"]), 100 * row.run_us / max(total, 1e-9), absolute=slack), "a share is wrong")
    _check_types(block, rows, style)
    return OpProfile(rows=rows, runs=block.timings.count, std_us=block.timings.std_us)


def _without_cdf(cells: Cells) -> Cells:
    return {key: value for key, value in cells.items() if key not in ("cdf%", "start")}


def _op_row(cells: Cells) -> OpRow:
    avg_ms, calls = _number(cells["avg ms"]), cells["times called"]
    _number(cells["first"])
    require(calls.isascii() and calls.isdigit(), f"times called {calls[:20]!r}")
    return op_row(cells["node type"], cells["name"].replace("\t", ","), avg_us=1e3 * avg_ms, calls=int(calls))


def _check_types(block: _Block, rows: Sequence[OpRow], style: TextFormat) -> None:
    """Hold the totals by type against the rows."""
    types = {cells["node type"]: cells for cells in block.by_type}
    groups: dict[str, list[OpRow]] = {}
    for cells, row in zip(block.rows, rows, strict=True):
        groups.setdefault(cells["node type"], []).append(row)
    require(groups.keys() == types.keys() and len(types) == len(block.by_type), "operator types and rows do not fit")
    for name, own in groups.items():
        calls = sum(row.calls for row in own)
        require(types[name]["count"] == str(len(own)), f"rows of {name[:40]!r} are missing")
        require(types[name]["times called"] == str(calls), f"calls of {name[:40]!r} are missing")
        per_call = calls if style.litert else 1
        total_us = 1e3 * _number(types[name]["avg ms"]) * per_call
        slack = 1.0 + len(own) + style.rounding_us * (calls + per_call)  # rows are cut off to microseconds
        require(close(total_us, sum(row.run_us for row in own), absolute=slack), f"the time of {name[:40]!r} is wrong")


def _number(text: str) -> float:
    if not re.fullmatch(r"\d+(\.\d+)?(e[+-]?\d+)?", text):
        raise UnreadableOutput(f"{text[:20]!r} is no number")
    return float(text)


def _percent(text: str) -> float:
    require(text.endswith("%"), f"{text[:20]!r} is no share")
    return _number(text[:-1])


def regular_part(lines: Sequence[str]) -> Iterator[str]:
    """The lines after the title of the timed runs, none where there is no such title."""
    places = [i for i, line in enumerate(lines) if line.strip() == REGULAR]
    require(len(places) <= 1, "two operator profiles in one output")
    return iter(lines[places[0] + 1 :] if places else ())
