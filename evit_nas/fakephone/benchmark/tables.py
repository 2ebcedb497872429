"""A profile as the tool's table or CSV (tsl/util/stats_calculator.cc, tensorflow/lite/profiling)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evit_nas.fakephone.benchmark.statistics import Profile, Row

_TOP = 10
_RULE = "=" * 30


@dataclass(frozen=True, slots=True)
class _Style:
    """How a line of cells is written, of text, of a number with decimals, of a share."""

    row_header: str
    type_header: str
    line: Callable[[Sequence[str], bool], str]
    number: Callable[[float], str]
    share: Callable[[float], str]
    name: Callable[[str], str]


def stdout_text(profile: Profile) -> str:
    """Tab-separated cells, right-aligned, three decimals."""
    return _text(profile, _TABLE)


def csv_text(profile: Profile) -> str:
    """Comma-separated, six digits; commas in names become tabs, those in node types stay."""
    return f"{profile.title}\n{_text(profile, _CSV)}"


def _table_line(cells: Sequence[str], summary: bool) -> str:
    widths = (40, 9, 10, 11, 11, 10, 9) if summary else (40, 9, 9, 8, 8, 10, 9)
    padded = [f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=False)]
    return "\t" + "\t".join([*padded, *cells[len(widths) :]]) + "\n"


_TABLE = _Style(
    row_header=_table_line(
        ("[node type]", "[first]", "[avg ms]", "[%]", "[cdf%]", "[mem KB]", "[times called]", "[Name]"), False
    ),
    type_header=_table_line(
        ("[Node type]", "[count]", "[avg ms]", "[avg %]", "[cdf %]", "[mem KB]", "[times called]"), True
    ),
    line=_table_line,
    number=lambda value: f"{value:.3f}",
    share=lambda value: f"{value:.3f}%",
    name=lambda text: text,
)
_CSV = _Style(
    row_header="node type, first, avg_ms, %, cdf%, mem KB, times called, name\n",
    type_header="node type, count, avg_ms, avg %, cdf %, mem KB, times called\n",
    line=lambda cells, summary: ", ".join(cells) + "\n",
    number=lambda value: f"{value:g}",
    share=lambda value: f"{value:g}%",
    name=lambda text: text.replace(",", "\t"),
)


def _text(profile: Profile, style: _Style) -> str:
    number = len(profile.rows)
    return (
        f"{_RULE} Run Order {_RULE}\n{style.row_header}{_rows(profile, profile.run_order(), style)}\n"
        f"{_RULE} Top by Computation Time {_RULE}\n"
        f"{style.row_header}{_rows(profile, profile.by_time()[:_TOP], style)}\n"
        f"Number of nodes executed: {number}\n"
        f"{_RULE} Summary by node type {_RULE}\n{style.type_header}{_summary(profile, style)}\n"
        f"Timings (microseconds): {profile.runs.line()}\nMemory (bytes): count=0\n{number} nodes observed\n\n\n"
    )


def _rows(profile: Profile, rows: Sequence[Row], style: _Style) -> str:
    total = max(profile.runs.total, 1)
    lines, so_far = [], 0
    for row in rows:
        so_far += row.time_us.total
        cells = (
            row.node_type,
            style.number(row.time_us.values[0] / 1000),
            style.number(row.time_us.mean / 1000),
            style.share(100 * row.time_us.total / total),
            style.share(100 * so_far / total),
            style.number(row.memory_kb),
            str(profile.times_called(row)),
            style.name(row.name),
        )
        lines.append(style.line(cells, False))
    return "".join(lines)


def _summary(profile: Profile, style: _Style) -> str:
    runs = len(profile.runs.values)
    times: dict[str, int] = {}
    for row in profile.rows.values():
        times[row.node_type] = times.get(row.node_type, 0) + row.time_us.total // runs
    total, so_far, lines = max(sum(times.values()), 1), 0, []
    for node_type, time_us in sorted(times.items(), key=lambda item: item[1], reverse=True):
        own = [row for row in profile.rows.values() if row.node_type == node_type]
        so_far += time_us
        cells = (
            node_type,
            str(len(own)),
            style.number(time_us / 1000),
            style.share(100 * time_us / total),
            style.share(100 * so_far / total),
            style.number(sum(row.memory_kb for row in own)),
            str(sum(profile.times_called(row) for row in own)),
        )
        lines.append(style.line(cells, True))
    return "".join(lines)
