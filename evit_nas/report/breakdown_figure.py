"""Where the time goes: one bar per network, one segment per stage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from matplotlib.figure import Figure

from evit_nas.report import style
from evit_nas.report.run_data import Breakdown

_NAMED_SHARE = 0.05  # segments from this share of the longest bar carry their milliseconds
_LEGEND_CHARACTERS = 60  # of a legend in one row

_ORDER = ("stem", "stage1", "stage2", "stage3", "stage4", "head")  # as a reader expects them; the head runs in between


def draw_breakdown(breakdowns: Sequence[Breakdown], *, unit: str = "predicted latency, ms") -> Figure:
    """Stacked bars of milliseconds, the first network on top."""
    stages = _in_order({stage: None for b in breakdowns for stage, _ in b.parts})
    colours = {stage: style.STAGES[number % len(style.STAGES)] for number, stage in enumerate(stages)}
    longest = max(sum(ms for _, ms in b.parts) for b in breakdowns)
    figure = Figure(figsize=(9.0, 1.7 + 0.42 * len(breakdowns)), layout="constrained")
    axes = figure.add_subplot()
    for row, breakdown in enumerate(breakdowns):
        begin = 0.0
        parts = dict(breakdown.parts)
        for stage, ms in ((stage, parts[stage]) for stage in stages if stage in parts):
            axes.barh(row, ms, left=begin, height=0.62, color=colours[stage], edgecolor="white", linewidth=0.8)
            if ms >= _NAMED_SHARE * longest:
                axes.text(
                    begin + ms / 2,
                    row,
                    f"{ms:.1f}",
                    ha="center",
                    va="center",
                    fontsize=8,
                    color=style.ink_on(colours[stage]),
                )
            begin += ms
        axes.text(
            begin + 0.008 * longest, row, f"{begin:.1f} ms", ha="left", va="center", fontsize=8.5, color=style.INK
        )
    axes.set_yticks(range(len(breakdowns)), [b.name for b in breakdowns])
    axes.invert_yaxis()
    axes.set_xlim(0, longest * 1.1)
    axes.set_xlabel(unit)
    style.clean(axes)
    axes.grid(False, axis="y")
    handles = [axes.barh(0, 0, color=colour, label=stage) for stage, colour in colours.items()]
    figure.legend(handles=handles, loc="outside upper left", ncols=_columns(stages), frameon=False, fontsize=9)
    return figure


def _columns(names: Sequence[str]) -> int:
    """Legend columns: one row of short names, else rows of four."""
    return len(names) if sum(map(len, names)) <= _LEGEND_CHARACTERS else 4


def _in_order(stages: Iterable[str]) -> list[str]:
    """Known stages in their order, then any other."""
    return sorted(stages, key=lambda stage: _ORDER.index(stage) if stage in _ORDER else len(_ORDER))
