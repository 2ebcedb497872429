"""The figures of a run as files: PNG to look at, SVG for the page."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import matplotlib as mpl
from matplotlib.figure import Figure

from evit_nas.files import write_bytes
from evit_nas.report.breakdown_figure import draw_breakdown
from evit_nas.report.pareto_figure import draw_pareto, pareto_info
from evit_nas.report.run_data import RunData

_DPI = 160


def run_figures(run: RunData) -> dict[str, Figure]:
    """The figures that a run has data for, by the stem of their files."""
    figures = {f"pareto_{axis}": draw_pareto(pareto_info(run, axis)) for axis in ("latency", "macs")}
    if run.breakdowns:
        figures["breakdown"] = draw_breakdown(run.breakdowns)
    return figures


def write_figures(run: RunData, folder: Path) -> tuple[Path, ...]:
    """Draw each figure as PNG and SVG into the run folder."""
    return tuple(file for stem, figure in run_figures(run).items() for file in write_figure(figure, folder, stem))


def write_figure(
    figure: Figure, folder: Path, stem: str, kinds: Sequence[Literal["png", "svg"]] = ("png", "svg")
) -> tuple[Path, ...]:
    """`STEM.png` and `STEM.svg` in `folder`, or those of `kinds`."""
    files = []
    for kind in kinds:
        files.append(folder / f"{stem}.{kind}")
        write_bytes(files[-1], _png(figure) if kind == "png" else _svg(figure))
    return tuple(files)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": "evit-nas"})
    return buffer.getvalue()


def _svg(figure: Figure) -> bytes:
    """Text as outlines, so that the page looks the same everywhere; the same run draws the same bytes."""
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": "evit-nas"}):
        figure.savefig(buffer, format="svg", dpi=_DPI, metadata={"Date": None})
    return buffer.getvalue()
