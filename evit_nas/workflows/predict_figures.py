"""The figures of `predict --figure`: where the time goes, and how near each kernel is to what the machine can do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from evit_nas.graph.opgraph import OpGraph
from evit_nas.latency.ceilings import Ceilings, measure_ceilings
from evit_nas.latency.predictor.base import Floats
from evit_nas.latency.profiler.fingerprint import host_fingerprint
from evit_nas.latency.profiler.lock import machine_lock
from evit_nas.workflows.latency import DeviceModel
from evit_nas.workflows.result_parts import KernelTime

if TYPE_CHECKING:
    from evit_nas.report.roofline_figure import RooflinePoint
    from evit_nas.report.run_data import Breakdown

PROFILED_RUNS = 15
MOST_PARTS = 6  # named segments of a bar
OTHER = "other"


def measured_kernels_ms(model: DeviceModel, graph: OpGraph, threads: int) -> Floats | None:
    """Milliseconds of each kernel inside the running network, shape (kernels,); None for another device."""
    from evit_nas.tflite.match import match_events
    from evit_nas.tflite.runtime import Session
    from evit_nas.tflite.weights import fill_random
    from evit_nas.tflite.writer import write

    if model.device != host_fingerprint():
        return None
    with machine_lock("timing"), Session(write(fill_random(graph, seed=0)), threads=threads, profile=True) as session:
        pairs = match_events(graph, session.profile(PROFILED_RUNS))
    return np.array([float(np.median(event.samples_us)) / 1e3 for _, event in pairs])


def write_breakdown_figures(
    folder: Path, name: str, kernels: Sequence[KernelTime], model: DeviceModel, threads: int
) -> tuple[Path, ...]:
    """Breakdowns by stage and by kind, and a roofline, as PNG and SVG; on this machine with its measured ceilings."""
    from evit_nas.report.breakdown_figure import draw_breakdown
    from evit_nas.report.figures import write_figure
    from evit_nas.report.roofline_figure import draw_roofline

    ceilings: Ceilings | None = measure_ceilings(threads) if model.device == host_fingerprint() else None
    title = f"{name} on {model.device}"
    figures = {
        "stages": draw_breakdown(_bars(kernels, "stage"), unit=f"{title}, ms"),
        "kinds": draw_breakdown(_bars(kernels, "kind"), unit=f"{title}, ms"),
    }
    points = roofline_points(kernels)
    if points:
        figures["roofline"] = draw_roofline(points, ceilings, title=title)
    stem = re.sub(r"[^\w.-]+", "_", name)
    return tuple(file for kind, figure in figures.items() for file in write_figure(figure, folder, f"{stem}_{kind}"))


def _bars(kernels: Sequence[KernelTime], by: Literal["stage", "kind"]) -> list[Breakdown]:
    """Predicted, and below it measured where it was; the small ones together as `other`, at the end."""
    from evit_nas.report.run_data import Breakdown

    names = (
        [kernel.stage or "network" for kernel in kernels] if by == "stage" else [_label(kernel) for kernel in kernels]
    )
    predicted = _sums(names, [kernel.latency_ms for kernel in kernels])
    largest = sorted(predicted, key=lambda name: -predicted[name])[:MOST_PARTS]
    names = [name if name in largest else OTHER for name in names]
    order = [*largest, OTHER] if OTHER in names else largest

    def bar(title: str, times_ms: Sequence[float]) -> Breakdown:
        sums = _sums(names, times_ms)
        return Breakdown(name=title, parts=tuple((name, sums[name]) for name in order))

    bars = [bar("predicted", [kernel.latency_ms for kernel in kernels])]
    measured = [kernel.measured_ms for kernel in kernels if kernel.measured_ms is not None]
    return [*bars, bar("measured", measured)] if len(measured) == len(kernels) else bars


def _label(kernel: KernelTime) -> str:
    """`CONV_2D 1x1`, `HARD_SWISH`."""
    return f"{kernel.kind} {kernel.window}".rstrip()


def _sums(names: Sequence[str], times_ms: Sequence[float]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for name, time_ms in zip(names, times_ms, strict=True):
        sums[name] = sums.get(name, 0.0) + time_ms
    return sums


def roofline_points(kernels: Sequence[KernelTime]) -> list[RooflinePoint]:
    """Kernels that multiply; a kernel measured as 0 us (below the profiler's tick) has no measured speed."""
    from evit_nas.report.roofline_figure import RooflinePoint

    return [
        RooflinePoint(
            kind=_label(kernel),
            macs_per_byte=kernel.macs / kernel.size_bytes,
            predicted_gmac_per_s=kernel.macs / kernel.latency_ms / 1e6,
            measured_gmac_per_s=kernel.macs / kernel.measured_ms / 1e6 if kernel.measured_ms else None,
            time_share=kernel.share,
        )
        for kernel in kernels
        if kernel.macs > 0 and kernel.latency_ms > 0
    ]
