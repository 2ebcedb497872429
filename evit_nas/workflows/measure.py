"""`evit-nas measure`: a network, run and timed end to end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from evit_nas.errors import InputError
from evit_nas.graph.lowering import PLAIN, strip_schedule
from evit_nas.latency.profiler.host import measure_graph
from evit_nas.latency.profiler.lock import machine_lock
from evit_nas.latency.profiler.protocol import Timing
from evit_nas.latency.profiler.statistics import centre_of
from evit_nas.space.arch import ArchConfig, Resolution
from evit_nas.tflite.runtime_isolated import run_isolated
from evit_nas.workflows.candidates import resolve_arch, resolve_lowering
from evit_nas.workflows.latency import device_id, require_host
from evit_nas.workflows.predict import TFLITE
from evit_nas.workflows.progress import Progress, Silent
from evit_nas.workflows.results import MeasureResult
from evit_nas.workflows.schedule import check_schedule, model_bytes, schedule_name

FILE_RUNS = 50


def measure(
    arch: str | Path | ArchConfig,
    *,
    device: str,
    resolution: Resolution | None = None,
    upsample: str | None = None,
    lowering: str | None = None,
    schedule: str = "auto",
    threads: int = 1,
    progress: Progress | None = None,
) -> MeasureResult:
    """Median latency of unprofiled runs on this machine; weights are random, which no kernel's time depends on."""
    require_host(device, "measure")
    check_schedule(schedule)
    note = (progress or Silent()).note
    if isinstance(arch, str | Path) and Path(arch).suffix == TFLITE:
        return _measure_file(Path(arch), device, resolution, threads, note)
    found = resolve_arch(arch, upsample=upsample)
    size = found.at(resolution)
    style = resolve_lowering(lowering, default="ours").style
    chosen, timing = _timed(found.arch, size, style, schedule if style == "ours" else "plain", threads, note)
    return MeasureResult(
        latency_ms=timing.latency_ms,
        low_ms=timing.low_ms,
        high_ms=timing.high_ms,
        runs=timing.runs,
        device=device_id(device),
        threads=threads,
        lowering=style,
        schedule=chosen,
        resolution=f"{size[0]}x{size[1]}",
        canary=timing.canary,
        notes=(f"doubtful: {timing.problem}",) if timing.problem else (),
    )


def _timed(
    arch: ArchConfig, size: Resolution, style: str, schedule: str, threads: int, note: Callable[[str], None]
) -> tuple[str, Timing]:
    """The fastest of the schedules asked for, by name, and its timing."""
    strips = strip_schedule(arch, size)
    options = {"plain": (PLAIN,), "strips": (strips,), "auto": (PLAIN, strips)}
    timings = {}
    for option in dict.fromkeys(options[schedule]):
        lowering = resolve_lowering(style, default="ours", schedule=option)
        timings[option] = measure_graph(model_bytes(arch, size, lowering), threads=threads, note=note)
    best = min(timings, key=lambda option: timings[option].latency_ms)
    return schedule_name(best), timings[best]


def _measure_file(
    path: Path, device: str, resolution: Resolution | None, threads: int, note: Callable[[str], None]
) -> MeasureResult:
    """A file from elsewhere runs in a child process: a crash of the runtime on it is an InputError."""
    if resolution is not None:
        raise InputError(f"{path}: a .tflite file has its own input size; leave --resolution out")
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    with machine_lock("timing", note=note):
        times = centre_of(run_isolated(path, "time", runs=FILE_RUNS, threads=threads).times_us)
    return MeasureResult(
        latency_ms=times.median / 1e3,
        low_ms=times.low / 1e3,
        high_ms=times.high / 1e3,
        runs=FILE_RUNS,
        device=device_id(device),
        threads=threads,
        lowering="as in the file",
        schedule="as in the file",
    )
