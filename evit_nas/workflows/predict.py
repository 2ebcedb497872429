"""`evit-nas predict`: the latency of a network on a device, with its interval and what it rests on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from evit_nas.errors import InputError, MissingCostError
from evit_nas.graph.kernel import Kernel, KernelGraph
from evit_nas.graph.lowering import PLAIN, Lowering, Schedule, strip_schedule
from evit_nas.latency.predictor.base import LatencyPrediction
from evit_nas.space.arch import ArchConfig, Resolution
from evit_nas.workflows.candidates import ResolvedArch, resolve_arch, resolve_lowering
from evit_nas.workflows.latency import DeviceModel, kernels_of, open_device
from evit_nas.workflows.results import CoverageShares, PredictResult, StageTime
from evit_nas.workflows.schedule import check_schedule

TFLITE = ".tflite"


def predict(
    arch: str | Path | ArchConfig,
    *,
    device: str = "sm8450",
    resolution: Resolution | None = None,
    breakdown: bool = False,
    strict: bool = False,
    upsample: str | None = None,
    lowering: str | None = None,
    threads: int = 1,
    tables: Path | None = None,
    merge: bool = False,
    schedule: str = "plain",
) -> PredictResult:
    """Predicted latency of ARCH, or of any .tflite file. `strict`: a kernel that was not measured is an error."""
    model = open_device(device, tables=tables, threads=threads, merge=merge)
    style = resolve_lowering(lowering, default=model.table.conditions.lowering).style
    if isinstance(arch, str | Path) and Path(arch).suffix == TFLITE:
        graph, size = _foreign(Path(arch), resolution), None
    else:
        found = resolve_arch(arch, upsample=upsample)
        size = found.at(resolution)
        graph = kernels_of(found.arch, size, Lowering(style=style, schedule=_schedule(schedule, found, size)))
    prediction = model.predictor.predict(graph)
    if strict:
        _check_strict(model, prediction)
    return _result(
        model,
        prediction,
        lowering=style,
        threads=threads,
        resolution=None if size is None else f"{size[0]}x{size[1]}",
        notes=_lowering_notes(model, style),
        breakdown=tuple(_breakdown(model, graph, prediction)) if breakdown else None,
    )


def _schedule(schedule: str, found: ResolvedArch, size: Resolution) -> Schedule:
    check_schedule(schedule)
    return strip_schedule(found.arch, size) if schedule == "strips" else PLAIN


def _foreign(path: Path, resolution: Resolution | None) -> KernelGraph:
    from evit_nas.graph.fuse import fuse
    from evit_nas.tflite.reader import read

    if resolution is not None:
        raise InputError(f"{path}: a .tflite file has its own input size; leave --resolution out")
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    return fuse(read(path))


def _lowering_notes(model: DeviceModel, style: str) -> tuple[str, ...]:
    measured = model.table.conditions.lowering
    if style == measured:
        return ()
    return (f"the table is of the lowering {measured!r}; for {style!r} it is a labelled estimate (extrapolated)",)


def _check_strict(model: DeviceModel, prediction: LatencyPrediction) -> None:
    if prediction.coverage.extrapolated > 0:
        raise MissingCostError(
            f"{model.path}: {prediction.coverage.extrapolated:.1%} of the time rests on kernels outside of the table; "
            "profile the device for this space, or leave out --strict"
        )


def _breakdown(model: DeviceModel, graph: KernelGraph, prediction: LatencyPrediction) -> Iterator[StageTime]:
    """Milliseconds by block. Kernel times are scaled so that they sum to the prediction."""
    times = model.predictor.kernel_times_us(graph.kernels)
    scale = prediction.latency_ms / max(times.sum(), 1e-9)

    def place(item: tuple[Kernel, float]) -> tuple[str, str]:
        return item[0].stage, item[0].block

    for (stage, block), group in groupby(zip(graph.kernels, times.tolist(), strict=True), key=place):
        costs = [time_us for _, time_us in group]
        latency_ms = sum(costs) * scale
        yield StageTime(
            stage=stage,
            block=block,
            latency_ms=latency_ms,
            share=latency_ms / prediction.latency_ms,
            kernels=len(costs),
        )


def _result(
    model: DeviceModel,
    prediction: LatencyPrediction,
    *,
    lowering: str,
    threads: int,
    resolution: str | None,
    notes: tuple[str, ...],
    breakdown: tuple[StageTime, ...] | None,
) -> PredictResult:
    cover = prediction.coverage
    return PredictResult(
        latency_ms=prediction.latency_ms,
        low_ms=prediction.low_ms,
        high_ms=prediction.high_ms,
        provenance=prediction.provenance,
        shares=prediction.shares,
        coverage=CoverageShares(
            measured=cover.measured, interpolated=cover.interpolated, extrapolated=cover.extrapolated
        ),
        device=model.device,
        table=model.path,
        lowering=lowering,
        threads=threads,
        resolution=resolution,
        notes=notes,
        breakdown=breakdown,
    )
