"""`evit-nas predict`: the latency of a network on a device, with its interval and what it rests on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from evit_nas.errors import InputError, MissingCostError
from evit_nas.graph.fuse import fuse
from evit_nas.graph.kernel import KernelGraph
from evit_nas.graph.lowering import PLAIN, Lowering, Schedule, Style, strip_schedule
from evit_nas.graph.opgraph import OpGraph
from evit_nas.latency.predictor.base import LatencyPrediction
from evit_nas.latency.predictor.fallback import FallbackPredictor
from evit_nas.latency.schedules import load_evidence
from evit_nas.space.arch import ArchConfig, Resolution
from evit_nas.workflows.breakdown import by_block, by_kernel, by_kind, in_words, kernel_times_ms, uncovered
from evit_nas.workflows.candidates import ResolvedArch, resolve_arch, resolve_lowering
from evit_nas.workflows.latency import DeviceModel, open_device
from evit_nas.workflows.predict_figures import measured_kernels_ms, write_breakdown_figures
from evit_nas.workflows.result_parts import KernelTime, Uncovered
from evit_nas.workflows.results import CoverageShares, PredictResult
from evit_nas.workflows.schedule import check_schedule, predicted_gain, schedule_name

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
    figure: Path | None = None,
) -> PredictResult:
    """Predicted latency of ARCH, or of any .tflite file. `strict`: a kernel that was not measured is an error.

    `schedule`: `auto` takes the strips that were measured as faster on the device, `strips` those that the blocks'
    sizes suggest. `figure`: a folder for figures of the breakdown; on this machine the network is also run for them.
    """
    check_schedule(schedule)
    model = open_device(device, tables=tables, threads=threads, merge=merge)
    style = resolve_lowering(lowering, default=model.table.conditions.lowering).style
    predictor = FallbackPredictor(model.predictor)
    if isinstance(arch, str | Path) and Path(arch).suffix == TFLITE:
        what = _foreign(Path(arch), resolution)
    else:
        found = resolve_arch(arch, upsample=upsample)
        what = _network(model, found, found.at(resolution), style, schedule)
    graph = fuse(what.graph)
    prediction = _scaled(predictor.predict(fuse(what.plain)), 1 - what.gain) if what.gain else predictor.predict(graph)
    gaps = uncovered(predictor, graph.kernels, kernel_times_ms(predictor, graph.kernels, prediction.latency_ms))
    if strict:
        _check_strict(model, prediction, gaps)
    result = _result(model, prediction, graph, what, style, threads, gaps)
    return _broken_down(result, model, predictor, graph, what, figure) if breakdown or figure else result


@dataclass(frozen=True, kw_only=True, slots=True)
class _Subject:
    """What is predicted. `gain`: share of the time of `plain` that the schedule saves, by evidence; 0: none."""

    name: str
    graph: OpGraph
    plain: OpGraph
    resolution: Resolution | None = None
    schedule: Schedule = PLAIN
    gain: float = 0.0
    notes: tuple[str, ...] = ()


def _network(model: DeviceModel, found: ResolvedArch, size: Resolution, style: Style, schedule: str) -> _Subject:
    from evit_nas.graph.emit import emit

    plain = emit(found.arch, size, Lowering(style=style))
    evidence = load_evidence(model.path)
    chosen = PLAIN
    if schedule == "strips":
        chosen = strip_schedule(found.arch, size)
    elif schedule == "auto" and style == "ours":
        chosen = evidence.schedule(found.arch, size)
    subject = _Subject(name=found.name, graph=plain, plain=plain, resolution=size)
    if chosen == PLAIN:
        return subject
    gain = predicted_gain(evidence, model.predictor, found.arch, size, chosen)
    note = (
        "row strips: no measured evidence beside the table, predicted from the kernels alone"
        if gain is None
        else f"row strips in {chosen.blocks} blocks save {gain:.1%}, by each group of them measured alone"
    )
    graph = emit(found.arch, size, Lowering(style=style, schedule=chosen))
    return replace(subject, graph=graph, schedule=chosen, gain=gain or 0.0, notes=(note,))


def _foreign(path: Path, resolution: Resolution | None) -> _Subject:
    from evit_nas.tflite.reader import read

    if resolution is not None:
        raise InputError(f"{path}: a .tflite file has its own input size; leave --resolution out")
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    graph = read(path)
    return _Subject(name=path.stem, graph=graph, plain=graph)


def _scaled(prediction: LatencyPrediction, factor: float) -> LatencyPrediction:
    return replace(
        prediction,
        latency_ms=prediction.latency_ms * factor,
        low_ms=prediction.low_ms * factor,
        high_ms=prediction.high_ms * factor,
    )


def _notes(model: DeviceModel, style: str, what: _Subject, gaps: tuple[Uncovered, ...]) -> Iterator[str]:
    measured = model.table.conditions.lowering
    if style != measured and what.resolution is not None:
        yield f"the table is of the lowering {measured!r}; for {style!r} it is a labelled estimate (extrapolated)"
    yield from what.notes
    if gaps:
        share = sum(gap.time_share for gap in gaps)
        yield f"not covered by the table, {share:.0%} of the time: " + ", ".join(map(in_words, gaps))


def _check_strict(model: DeviceModel, prediction: LatencyPrediction, gaps: tuple[Uncovered, ...]) -> None:
    if prediction.coverage.extrapolated > 0 or gaps:
        named = ", ".join(map(in_words, gaps)) or "kernels of its rare kinds"
        raise MissingCostError(
            f"{model.path}: {prediction.coverage.extrapolated:.1%} of the time rests on kernels outside of the table: "
            f"{named}; profile the device for this space, or leave out --strict"
        )


def _broken_down(
    result: PredictResult,
    model: DeviceModel,
    predictor: FallbackPredictor,
    graph: KernelGraph,
    what: _Subject,
    figure: Path | None,
) -> PredictResult:
    measured = None if figure is None else measured_kernels_ms(model, what.graph, result.threads)
    times_ms = kernel_times_ms(predictor, graph.kernels, result.latency_ms)
    kernels: tuple[KernelTime, ...] = by_kernel(graph.kernels, times_ms, measured)
    files = None
    if figure is not None:
        files = write_breakdown_figures(figure, what.name, kernels, model, result.threads)
    return replace(
        result,
        breakdown=by_block(kernels),
        breakdown_kinds=by_kind(kernels),
        breakdown_kernels=kernels,
        figures=files,
    )


def _result(
    model: DeviceModel,
    prediction: LatencyPrediction,
    graph: KernelGraph,
    what: _Subject,
    lowering: str,
    threads: int,
    gaps: tuple[Uncovered, ...],
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
        lowering=lowering if what.resolution is not None else "as in the file",
        threads=threads,
        resolution=None if what.resolution is None else "{}x{}".format(*what.resolution),
        schedule=schedule_name(what.schedule) if what.resolution is not None else "as in the file",
        partitions=graph.partitions,
        uncovered=gaps,
        notes=tuple(_notes(model, lowering, what, gaps)),
    )
