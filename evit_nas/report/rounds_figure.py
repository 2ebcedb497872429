"""What a phone was like while it was measured: the reference model, the temperatures and the clock, round by round."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evit_nas.latency.profiler.devices.phone_rounds import RoundLine
from evit_nas.report import style

_PAUSE_S = 1800.0  # from which a gap in the log is another run, as is a phone that was started again
_GAP_S = 60.0  # how such a gap is drawn
_STEADY = 0.05  # moves of the reference model that are divided out of the table
_WORDS = 60


def draw_rounds(lines: Sequence[RoundLine]) -> Figure:
    """Three panels over the phone's own minutes. The reference model is the one that the log begins with."""
    minutes, breaks = _minutes(lines)
    figure = Figure(figsize=(8.0, 6.0), layout="constrained")
    reference, degrees, clock = figure.subplots(3, 1, sharex=True)
    _draw_reference(reference, lines, minutes)
    for name, values, colour in (
        ("CPU", [line.cpu_c for line in lines], style.STAGES[4]),
        ("skin", [line.skin_c for line in lines], style.STAGES[1]),
    ):
        degrees.plot(minutes, np.array(values, dtype=float), color=colour, linewidth=1.3, label=name)
    clock.plot(minutes, [line.limit_khz / 1e6 for line in lines], color=style.STAGES[6], linewidth=2.5, label="limit")
    clock.plot(minutes, [line.clock_khz / 1e6 for line in lines], color=style.STAGES[2], linewidth=1.0, label="now")
    degrees.set_ylabel("degrees Celsius")
    clock.set_ylabel("clock, GHz")
    clock.set_ylim(0, 1.15 * max(line.limit_khz for line in lines) / 1e6)
    clock.set_xlabel("minutes of the phone")
    for axes in (reference, degrees, clock):
        style.clean(axes)
        for place in breaks:
            axes.axvline(place, color=style.INK, linewidth=0.8, linestyle=":")
        _mark_thrown_away(axes, lines, minutes)
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=9)
    figure.suptitle(_title(lines), fontsize=11, color=style.INK)
    return figure


def _draw_reference(axes: Axes, lines: Sequence[RoundLine], minutes: Sequence[float]) -> None:
    """Time of the reference model over its median, rounds that count and others."""
    own = [i for i, line in enumerate(lines) if line.model == lines[0].model and not line.profiled]
    counted = [lines[i].mean_us for i in own if not lines[i].problem] or [lines[i].mean_us for i in own]
    usual = float(np.median(counted))
    axes.axhspan(1 - _STEADY, 1 + _STEADY, color=style.GRID, alpha=0.6, linewidth=0, label="within 5 %")
    for label, wanted, colour, marker in (
        ("counts", True, style.FRONT, "o"),
        ("does not count", False, style.BEST, "x"),
    ):
        places = [i for i in own if (not lines[i].problem) == wanted]
        ratios = [lines[i].mean_us / usual for i in places]
        if places:
            axes.plot(
                [minutes[i] for i in places], ratios, marker, color=colour, markersize=4, linestyle="", label=label
            )
    axes.set_ylabel("reference model,\ntime over its usual")


def _mark_thrown_away(axes: Axes, lines: Sequence[RoundLine], minutes: Sequence[float]) -> None:
    """A thin mark at the foot for each round that did not count, of whichever model."""
    bad = [minute for minute, line in zip(minutes, lines, strict=True) if line.problem]
    if bad:
        feet = axes.get_xaxis_transform()
        axes.plot(bad, [0.0] * len(bad), "|", color=style.BEST, markersize=9, transform=feet, label="round thrown away")


def _minutes(lines: Sequence[RoundLine]) -> tuple[list[float], list[float]]:
    """When each round was, pauses between runs left out, and where those are."""
    at_s, minutes, breaks = 0.0, [0.0], []
    for before, line in pairwise(lines):
        step_s = line.uptime_s - before.uptime_s
        if not 0 <= step_s <= _PAUSE_S:
            breaks.append((at_s + _GAP_S / 2) / 60)
            step_s = _GAP_S
        at_s += step_s
        minutes.append(at_s / 60)
    return minutes, breaks


def _title(lines: Sequence[RoundLine]) -> str:
    problems = Counter(line.problem for line in lines if line.problem)
    if not problems:
        return f"{len(lines)} rounds, all of them count"
    most = problems.most_common(1)[0][0][:_WORDS]
    return f"{len(lines)} rounds, {problems.total()} thrown away, most often: {most}"
