"""A roofline: how fast each kernel computes for each byte that it must move, under what the machine can do at most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from evit_nas.latency.ceilings import Ceilings
from evit_nas.report import style

_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_SMALLEST, _LARGEST = 12.0, 260.0  # marker areas, of kernels that take no time and a tenth of it


@dataclass(frozen=True, kw_only=True, slots=True)
class RooflinePoint:
    """One kernel with MACs. `macs_per_byte` counts each tensor once; `measured_gmac_per_s`: None, not run."""

    kind: str
    macs_per_byte: float
    predicted_gmac_per_s: float
    measured_gmac_per_s: float | None
    time_share: float


def draw_roofline(points: Sequence[RooflinePoint], ceilings: Ceilings | None, *, title: str) -> Figure:
    """Measured kernels filled, predicted ones as rings, a line between the two; the area goes with the time."""
    figure = Figure(figsize=(9.0, 5.4), layout="constrained")
    axes = figure.add_subplot()
    kinds = sorted({point.kind for point in points}, key=lambda kind: -_time(points, kind))
    for number, kind in enumerate(kinds):
        own = [point for point in points if point.kind == kind]
        _draw_kind(axes, own, style.STAGES[number % len(style.STAGES)], _MARKERS[number % len(_MARKERS)])
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    if ceilings is not None:
        _draw_ceilings(axes, points, ceilings)
    axes.set_xlabel("arithmetic intensity, MACs per byte of every tensor once")
    axes.set_ylabel("speed, GMAC/s")
    style.clean(axes)
    axes.set_title(_title(title, points, ceilings), loc="left", fontsize=10, color=style.INK)
    _legend(figure, kinds, any(point.measured_gmac_per_s is not None for point in points))
    return figure


def _draw_kind(axes: Axes, points: Sequence[RooflinePoint], colour: str, marker: str) -> None:
    x = np.array([point.macs_per_byte for point in points])
    predicted = np.array([point.predicted_gmac_per_s for point in points])
    shares = np.array([point.time_share for point in points])
    areas = _SMALLEST + (_LARGEST - _SMALLEST) * np.minimum(shares / 0.1, 1.0)
    axes.scatter(x, predicted, s=areas, marker=marker, facecolors="none", edgecolors=colour, linewidths=1.1, zorder=3)
    known = np.array([point.measured_gmac_per_s is not None for point in points])
    if known.any():
        measured = np.array([point.measured_gmac_per_s or np.nan for point in points])
        axes.scatter(x, measured, s=areas, marker=marker, color=colour, alpha=0.55, linewidths=0, zorder=2)
        axes.vlines(x[known], predicted[known], measured[known], color=colour, linewidth=0.8, zorder=2)


def _draw_ceilings(axes: Axes, points: Sequence[RooflinePoint], ceilings: Ceilings) -> None:
    """The peak, and the slopes of the cache and of the memory up to it."""
    low, high = axes.get_xlim()
    x = np.geomspace(low, high, 200)
    slopes = (("L2 cache", ceilings.cache_gb_per_s, "--"), ("memory", ceilings.memory_gb_per_s, "-"))
    for name, gb_per_s, line in slopes:
        axes.plot(x, np.minimum(x * gb_per_s, ceilings.gmac_per_s), line, color=style.INK, linewidth=1.2, zorder=1)
        axes.annotate(
            f"{name}, {gb_per_s:.0f} GB/s",
            (low, min(low * gb_per_s, ceilings.gmac_per_s)),
            xytext=(14, -2),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            color=style.INK,
        )
    axes.annotate(
        f"peak, {ceilings.gmac_per_s:.0f} GMAC/s",
        (high, ceilings.gmac_per_s),
        xytext=(-4, 4),
        textcoords="offset points",
        ha="right",
        fontsize=8.5,
        color=style.INK,
    )
    axes.set_xlim(low, high)


def _legend(figure: Figure, kinds: Sequence[str], measured: bool) -> None:
    handles = [
        Line2D([], [], linestyle="", marker=_MARKERS[i % len(_MARKERS)], color=style.STAGES[i % len(style.STAGES)],
               label=kind)
        for i, kind in enumerate(kinds)
    ]  # fmt: skip
    if measured:
        handles.append(Line2D([], [], linestyle="", marker="o", color=style.FAINT, label="measured"))
    ring = Line2D([], [], linestyle="", marker="o", markerfacecolor="none", color=style.INK, label="predicted")
    figure.legend(handles=[*handles, ring], loc="outside lower left", ncols=4, frameon=False, fontsize=9)


def _title(title: str, points: Sequence[RooflinePoint], ceilings: Ceilings | None) -> str:
    share = sum(point.time_share for point in points)
    rest = f"{title}: the kernels that multiply, {share:.0%} of the time (areas go with it)"
    return rest if ceilings is not None else f"{rest}\nceilings not measured: the device is not at hand"


def _time(points: Sequence[RooflinePoint], kind: str) -> float:
    return sum(point.time_share for point in points if point.kind == kind)
