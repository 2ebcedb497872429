"""Measuring on this machine: the table of a space, and single networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from evit_nas.latency.profiler.devices.host import HostDevice
from evit_nas.latency.profiler.lock import machine_lock
from evit_nas.latency.profiler.plan import FULL, QUICK
from evit_nas.latency.profiler.protocol import (
    Canary,
    Timing,
    time_network,
)
from evit_nas.latency.profiler.run import ProfileResult, Progress, Report, profile_device
from evit_nas.space.space import SearchSpace

__all__ = ["ProfileResult", "Progress", "Report", "measure_graph", "profile_host"]


def profile_host(
    space: SearchSpace,
    *,
    tables_dir: Path,
    quick: bool = False,
    threads: int = 1,
    seed: int = 0,
    max_rows: int | None = None,
    progress: Report | None = None,
) -> ProfileResult:
    """Build or continue this machine's table for `space` under `tables_dir`.

    Whole members are timed end to end and kernel by kernel; finished ones are on the disk when the next one starts, and
    a run killed at any moment goes on where it was. `max_rows` ends the run after so many new rows. Raises DeviceError
    where other load lets no round count, TableError where the table cannot be written or belongs to another runtime.
    """
    effort = QUICK if quick else FULL
    note = _noter(progress)
    with machine_lock("timing", note=note):
        device = HostDevice(threads=threads)
        return profile_device(
            device,
            space,
            tables_dir=tables_dir,
            effort=effort,
            seed=seed,
            max_rows=max_rows,
            progress=progress,
        )


def measure_graph(
    graph_bytes: bytes,
    *,
    threads: int = 1,
    seconds: float = 0.5,
    rounds: tuple[int, int] = (3, 8),
    note: Callable[[str], None] | None = None,
) -> Timing:
    """Latency of a whole .tflite on this machine: several sessions, alone on the machine, beside a canary.

    Where other load never lets a round count, the last attempts are used and `problem` says so.
    """
    with machine_lock("timing", note=note):
        canary = Canary(HostDevice(threads=threads))
        canary.settle()
        return time_network(canary, graph_bytes, seconds=seconds, rounds=rounds)


def _noter(progress: Report | None) -> Callable[[str], None] | None:
    if progress is None:
        return None

    def note(text: str) -> None:
        progress(Progress(networks_done=0, networks_planned=0, rows=0, elapsed_s=0.0, left_s=0.0, note=text))

    return note
