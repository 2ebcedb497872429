"""`evit-nas measure`: a network, run and timed end to end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from evit_nas.errors import InputError
from evit_nas.graph.lowering import PLAIN, Schedule, strip_schedule
from evit_nas.latency.profiler.devices.phone_session import find_phone
from evit_nas.latency.profiler.host import measure_graph
from evit_nas.latency.profiler.phone import phone_timer
from evit_nas.latency.profiler.protocol import Timing
from evit_nas.space.arch import ArchConfig, Resolution
from evit_nas.tflite.runtime_isolated import run_isolated
from evit_nas.workflows.candidates import resolve_arch, resolve_lowering
from evit_nas.workflows.latency import HOST, device_id, is_host
from evit_nas.workflows.predict import TFLITE
from evit_nas.workflows.progress import Progress, Silent
from evit_nas.workflows.results import MeasureResult
from evit_nas.workflows.schedule import check_schedule, host_schedule, model_bytes, schedule_name

# .tflite files in, the id of the device and one timing each out
_TimeAll = Callable[[tuple[bytes, ...]], tuple[str, tuple[Timing, ...]]]


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
    """Median latency of unprofiled runs; weights are random, which no kernel's time depends on.

    `device`: `host`, the serial of a phone, or the chip of the one attached phone that has it.
    """
    check_schedule(schedule)
    note = (progress or Silent()).note
    if isinstance(arch, str | Path) and Path(arch).suffix == TFLITE:
        return _measure_file(Path(arch), device, resolution, threads, note)
    found = resolve_arch(arch, upsample=upsample)
    size = found.at(resolution)
    style = resolve_lowering(lowering, default="ours").style
    timed = _on_host(threads, note) if is_host(device) else _on_phone(device, threads, note)
    if style != "ours":
        schedule = "plain"
    strips = strip_schedule(found.arch, size)
    if schedule == "auto" and is_host(device):
        strips = host_schedule(found.arch, size, threads=threads, note=note) or strips
    name, identity, timing = _fastest(found.arch, size, style, _options(schedule, strips), timed)
    return replace(_result(timing, identity, threads), lowering=style, schedule=name, resolution=f"{size[0]}x{size[1]}")


def _result(timing: Timing, identity: str, threads: int) -> MeasureResult:
    return MeasureResult(
        latency_ms=timing.latency_ms,
        low_ms=timing.low_ms,
        high_ms=timing.high_ms,
        runs=timing.runs,
        device=identity,
        threads=threads,
        lowering="as in the file",
        schedule="as in the file",
        canary=timing.canary,
        notes=(f"doubtful: {timing.problem}",) if timing.problem else (),
    )


def _on_host(threads: int, note: Callable[[str], None]) -> _TimeAll:
    def timed(models: tuple[bytes, ...]) -> tuple[str, tuple[Timing, ...]]:
        return device_id(HOST), tuple(measure_graph(model, threads=threads, note=note) for model in models)

    return timed


def _on_phone(device: str, threads: int, note: Callable[[str], None]) -> _TimeAll:
    def timed(models: tuple[bytes, ...]) -> tuple[str, tuple[Timing, ...]]:
        with phone_timer(find_phone(device), threads=threads, note=note) as timed_there:
            done = [timed_there(model) for model in models]
        return done[0].facts.conditions.device, tuple(item.timing for item in done)

    return timed


def _options(schedule: str, strips: Schedule) -> tuple[Schedule, ...]:
    """The schedules to time, each once."""
    choice = {"plain": (PLAIN,), "strips": (strips,), "auto": (PLAIN, strips)}[schedule]
    return tuple(dict.fromkeys(choice))


def _fastest(
    arch: ArchConfig, size: Resolution, style: str, options: tuple[Schedule, ...], timed: _TimeAll
) -> tuple[str, str, Timing]:
    """The fastest of `options`, by name, the device's id, and its timing."""
    lowerings = [resolve_lowering(style, default="ours", schedule=option) for option in options]
    identity, timings = timed(tuple(model_bytes(arch, size, lowering) for lowering in lowerings))
    best = min(range(len(options)), key=lambda i: timings[i].latency_ms)
    return schedule_name(options[best]), identity, timings[best]


def _measure_file(
    path: Path, device: str, resolution: Resolution | None, threads: int, note: Callable[[str], None]
) -> MeasureResult:
    """A file from elsewhere first runs in a child process: a crash of the runtime on it is told as such.

    One that survives is timed like any other network.
    """
    if resolution is not None:
        raise InputError(f"{path}: a .tflite file has its own input size; leave --resolution out")
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if not is_host(device):
        identity, (timing,) = _on_phone(device, threads, note)((path.read_bytes(),))
        return _result(timing, identity, threads)
    run_isolated(path, "time", runs=1, threads=threads)
    return _result(measure_graph(path.read_bytes(), threads=threads, note=note), device_id(device), threads)
