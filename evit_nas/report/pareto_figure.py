"""The Pareto figures: first what is to be drawn, as data, then the drawing.

Every evaluated network is a dot, the front of the lower bounds (what the search maximises) a staircase, the best
networks numbered marks with their 90 % intervals, the official networks marks with their names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from evit_nas.report import style
from evit_nas.report.labels import Bar, Label, place_labels
from evit_nas.report.manifest import metric_name
from evit_nas.report.run_data import Reference, RunData, Winner

Axis = Literal["macs", "latency"]
Floats = NDArray[np.float64]

_MARGIN = 1.5  # percentage points above the best mark and below the bottom of the cloud
_CLOUD_BELOW = 0.12  # share of the cloud within the budget that may fall off the figure, to show the front large


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """A named point; `error` are (low, high) of y, `x_error` of x."""

    label: str
    x: float
    y: float
    error: tuple[float, float] | None = None
    x_error: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ParetoInfo:
    """All that the figure shows: x in G MACs or in milliseconds, y in percent."""

    axis: Axis
    metric: str
    title: str
    budget_ms: float
    bottom: float  # lower end of y; a mark below it is drawn on the edge, with its value
    within: Floats  # (N, 2): x and value of networks within the budget
    beyond: Floats  # (M, 2): of the others
    front: Floats  # (K, 2): x and lower bound, x rising
    winners: tuple[Mark, ...]
    published: tuple[Mark, ...]
    estimated: tuple[Mark, ...]
    verified: tuple[Mark, ...]
    verified_as: str  # `measured`, or `simulated` where a stand-in was timed


def pareto_info(run: RunData, axis: Axis) -> ParetoInfo:
    """What the figure of `axis` against the metric shows of a run."""
    manifest, evaluated = run.manifest, run.evaluated
    x = evaluated.macs / 1e9 if axis == "macs" else evaluated.latency_ms
    within = evaluated.latency_ms <= manifest.budget_ms
    points = np.column_stack([x, evaluated.value])
    verified = [w for w in run.winners if w.verified_ms is not None] if axis == "latency" else []
    return ParetoInfo(
        axis=axis,
        metric=metric_name(manifest.metric),
        title=f"{manifest.device}, budget {manifest.budget_ms:g} ms, {manifest.evaluated} networks evaluated",
        budget_ms=manifest.budget_ms,
        bottom=_bottom(evaluated.value[within], run.winners),
        within=points[within],
        beyond=points[~within],
        front=staircase(x[within], evaluated.low[within]),
        winners=tuple(_winner_mark(w, axis) for w in run.winners),
        published=_reference_marks(run.references, "published", axis),
        estimated=_reference_marks(run.references, "estimated", axis),
        verified=tuple(Mark(label="", x=w.verified_ms or 0.0, y=w.value) for w in verified),
        verified_as=", ".join(sorted({w.verified_provenance for w in verified})),
    )


def _bottom(values: Floats, winners: tuple[Winner, ...]) -> float:
    shown = [float(np.quantile(values, _CLOUD_BELOW))] if len(values) else [w.value for w in winners]
    return min(shown, default=0.0) - _MARGIN


def staircase(x: Floats, y: Floats) -> Floats:
    """The points that no other beats in both (x down, y up), x rising, shape (K, 2)."""
    order = np.lexsort((-y, x))
    best = np.maximum.accumulate(y[order]) if len(y) else y
    keep = np.concatenate([[True], y[order][1:] > best[:-1]]) if len(y) else np.zeros(0, dtype=bool)
    front: Floats = np.column_stack([x[order], y[order]])[keep]
    return front


def draw_pareto(info: ParetoInfo) -> Figure:
    """The figure, 9 x 5.6 inches."""
    figure = Figure(figsize=(9.0, 5.6), layout="constrained")
    axes = figure.add_subplot()
    _draw_cloud(axes, info)
    _draw_marks(axes, info)
    _scale(axes, info)
    axes.set_title(info.title, loc="left", fontsize=11, color=style.INK)
    axes.set_ylabel(f"{info.metric}, %")
    axes.set_xlabel("MACs, G" if info.axis == "macs" else "predicted latency, ms")
    style.clean(axes)
    axes.legend(loc="lower right", fontsize=8.5, frameon=True, framealpha=0.9, edgecolor=style.GRID)
    place_labels(figure, axes, _labels(info), _bars(info))
    return figure


def _winner_mark(winner: Winner, axis: Axis) -> Mark:
    latency = axis == "latency"
    return Mark(
        label=str(winner.rank),
        x=winner.latency_ms if latency else winner.macs / 1e9,
        y=winner.value,
        error=(winner.low, winner.high),
        x_error=(winner.latency_low_ms, winner.latency_high_ms) if latency else None,
    )


def _reference_marks(references: tuple[Reference, ...], kind: str, axis: Axis) -> tuple[Mark, ...]:
    marks = []
    for r in references:
        x = r.macs / 1e9 if axis == "macs" else r.latency_ms
        if r.kind == kind and r.value is not None and x is not None:
            marks.append(Mark(label=f"{r.name.upper()} {r.resolution}", x=x, y=r.value))
    return tuple(marks)


def _draw_cloud(axes: Axes, info: ParetoInfo) -> None:
    for points, colour, name in (
        (info.beyond, style.FAINT, "evaluated, over the budget"),
        (info.within, style.CLOUD, "evaluated, within the budget"),
    ):
        if len(points):
            axes.scatter(
                points[:, 0],
                points[:, 1],
                s=9,
                color=colour,
                linewidths=0,
                alpha=0.75,
                label=name,
                zorder=2,
                rasterized=True,
            )
    if len(info.front):
        end = max(info.front[-1, 0], *(w.x for w in info.winners)) if info.winners else info.front[-1, 0]
        x, y = np.append(info.front[:, 0], end), np.append(info.front[:, 1], info.front[-1, 1])
        axes.plot(
            x, y, drawstyle="steps-post", color=style.FRONT, linewidth=1.6, label="front of lower bounds", zorder=3
        )
    if info.axis == "latency":
        axes.axvline(info.budget_ms, color=style.BUDGET, linestyle="--", linewidth=1.4, zorder=3)
        axes.annotate(
            f"budget {info.budget_ms:g} ms",
            (info.budget_ms, 0.0),
            xycoords=("data", "axes fraction"),
            xytext=(-4, 8),
            textcoords="offset points",
            rotation=90,
            ha="right",
            va="bottom",
            color=style.BUDGET,
            fontsize=9,
        )


def _draw_marks(axes: Axes, info: ParetoInfo) -> None:
    groups: tuple[tuple[tuple[Mark, ...], str, dict[str, Any]], ...] = (
        (info.estimated, "official, as estimated here", {"marker": "s", "mfc": "white", "mec": style.INK, "ms": 5}),
        (info.published, "official, as published", {"marker": "D", "mfc": style.INK, "mec": style.INK, "ms": 5}),
        (info.winners, "best networks, 90 % intervals", {"marker": "o", "mfc": style.BEST, "mec": "white", "ms": 8}),
        (
            info.verified,
            f"best networks, {info.verified_as}",
            {"marker": "X", "mfc": style.VERIFIED, "mec": "white", "ms": 8},
        ),
    )
    for marks, name, look in groups:
        if not marks:
            continue
        for mark in marks:
            _draw_interval(axes, mark)
        inside = [m for m in marks if m.y >= info.bottom]
        axes.plot([m.x for m in inside], [m.y for m in inside], linestyle="none", label=name, zorder=5, **look)
        below = [m.x for m in marks if m.y < info.bottom]
        if below:
            edge = look | {"marker": "v"}
            axes.plot(below, [info.bottom] * len(below), linestyle="none", zorder=5, clip_on=False, **edge)


def _draw_interval(axes: Axes, mark: Mark) -> None:
    if mark.error is not None:
        axes.plot([mark.x, mark.x], mark.error, color=style.BEST, linewidth=1.0, alpha=0.6, zorder=4)
    if mark.x_error is not None:
        axes.plot(mark.x_error, [mark.y, mark.y], color=style.BEST, linewidth=1.0, alpha=0.6, zorder=4)


def _scale(axes: Axes, info: ParetoInfo) -> None:
    """Logarithmic x with plain numbers; limits that keep every mark and most of the cloud in sight."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    marks = (*info.winners, *info.published, *info.estimated)
    tops = [m.error[1] if m.error else m.y for m in marks] + [float(points[:, 1].max()) for points in _clouds(info)]
    axes.set_ylim(info.bottom, min(100.0, max(tops, default=100.0) + _MARGIN))


def _clouds(info: ParetoInfo) -> list[Floats]:
    return [points for points in (info.within, info.beyond) if len(points)]


def _labels(info: ParetoInfo) -> list[Label]:
    """Numbers of the best networks, then names; an official network is named once where both its marks are drawn."""
    named = {m.label: m for m in (*info.estimated, *info.published)}
    numbers = [_label(m, info.bottom, style.BEST, bold=True) for m in info.winners]
    return [*numbers, *(_label(m, info.bottom, style.INK) for m in named.values())]


def _label(mark: Mark, bottom: float, colour: str, *, bold: bool = False) -> Label:
    """The mark's name; below the figure's edge its value as well."""
    text = mark.label if mark.y >= bottom else f"{mark.label} ({mark.y:.1f} %)"
    return Label(text=text, x=mark.x, y=max(mark.y, bottom), colour=colour, bold=bold)


def _bars(info: ParetoInfo) -> list[Bar]:
    """What labels keep away from beside their own points: intervals and the other marks."""
    upright = [(m.x, m.error[0], m.x, m.error[1]) for m in info.winners if m.error is not None]
    level = [(m.x_error[0], m.y, m.x_error[1], m.y) for m in info.winners if m.x_error is not None]
    return [*upright, *level, *((m.x, m.y, m.x, m.y) for m in (*info.estimated, *info.published, *info.verified))]
