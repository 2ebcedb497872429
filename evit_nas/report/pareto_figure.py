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
from evit_nas.report.run_data import Reference, RunData, Winner

Axis = Literal["macs", "latency"]
Floats = NDArray[np.float64]

_MARGIN = 3.0  # percentage points above the best and below the worst mark
_CLOUD_SHOWN = 0.02  # lower quantile of the cloud that may fall off the figure


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
    within: Floats  # (N, 2): x and value of networks within the budget
    beyond: Floats  # (M, 2): of the others
    front: Floats  # (K, 2): x and lower bound, x rising
    winners: tuple[Mark, ...]
    published: tuple[Mark, ...]
    estimated: tuple[Mark, ...]
    verified: tuple[Mark, ...]


def pareto_info(run: RunData, axis: Axis) -> ParetoInfo:
    """What the figure of `axis` against the metric shows of a run."""
    manifest, evaluated = run.manifest, run.evaluated
    x = evaluated.macs / 1e9 if axis == "macs" else evaluated.latency_ms
    within = evaluated.latency_ms <= manifest.budget_ms
    points = np.column_stack([x, evaluated.value])
    verified = [w for w in run.winners if w.verified_ms is not None] if axis == "latency" else []
    return ParetoInfo(
        axis=axis,
        metric=style.metric_name(manifest.metric),
        title=f"{manifest.device}, budget {manifest.budget_ms:g} ms, {manifest.evaluated} networks evaluated",
        budget_ms=manifest.budget_ms,
        within=points[within],
        beyond=points[~within],
        front=staircase(x[within], evaluated.low[within]),
        winners=tuple(_winner_mark(w, axis) for w in run.winners),
        published=_reference_marks(run.references, "published", axis),
        estimated=_reference_marks(run.references, "estimated", axis),
        verified=tuple(Mark(label="", x=w.verified_ms or 0.0, y=w.value) for w in verified),
    )


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
            (info.budget_ms, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(-5, -6),
            textcoords="offset points",
            rotation=90,
            ha="right",
            va="top",
            color=style.BUDGET,
            fontsize=9,
        )


def _draw_marks(axes: Axes, info: ParetoInfo) -> None:
    groups: tuple[tuple[tuple[Mark, ...], str, dict[str, Any]], ...] = (
        (info.estimated, "official, as estimated here", {"marker": "s", "mfc": "white", "mec": style.INK, "ms": 5}),
        (info.published, "official, as published", {"marker": "D", "mfc": style.INK, "mec": style.INK, "ms": 5}),
        (info.winners, "best networks, 90 % intervals", {"marker": "o", "mfc": style.BEST, "mec": "white", "ms": 8}),
        (info.verified, "best networks, measured", {"marker": "X", "mfc": style.VERIFIED, "mec": "white", "ms": 8}),
    )
    for marks, name, look in groups:
        if not marks:
            continue
        x, y = [m.x for m in marks], [m.y for m in marks]
        for mark in marks:
            _draw_interval(axes, mark)
        axes.plot(x, y, linestyle="none", label=name, zorder=5, **look)


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
    bounds = [b for m in marks for b in (m.error or (m.y, m.y))] + info.front[:, 1].tolist()
    cloud = np.concatenate([info.within, info.beyond])[:, 1]
    if len(cloud):
        bounds += [float(np.quantile(cloud, _CLOUD_SHOWN)), float(cloud.max())]
    if bounds:
        axes.set_ylim(min(bounds) - _MARGIN / 2, min(100.0, max(bounds) + _MARGIN / 2))


def _labels(info: ParetoInfo) -> list[Label]:
    """Numbers of the best networks, then names; an official network is named once where both its marks are drawn."""
    named = {m.label: m for m in (*info.estimated, *info.published)}
    return [
        *(Label(text=m.label, x=m.x, y=m.y, colour=style.BEST, bold=True) for m in info.winners),
        *(Label(text=m.label, x=m.x, y=m.y, colour=style.INK) for m in named.values()),
    ]


def _bars(info: ParetoInfo) -> list[Bar]:
    """What labels keep away from beside their own points: intervals and the other marks."""
    upright = [(m.x, m.error[0], m.x, m.error[1]) for m in info.winners if m.error is not None]
    level = [(m.x_error[0], m.y, m.x_error[1], m.y) for m in info.winners if m.x_error is not None]
    return [*upright, *level, *((m.x, m.y, m.x, m.y) for m in (*info.estimated, *info.published, *info.verified))]
