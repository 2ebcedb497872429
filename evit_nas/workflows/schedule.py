"""Plain or row strips: a choice per device, decided by measuring and never by faith."""

from __future__ import annotations

from pathlib import Path

from evit_nas.errors import InputError, TableError, nearest
from evit_nas.graph.emit import emit
from evit_nas.graph.lowering import PLAIN, Lowering, Schedule, strip_schedule
from evit_nas.latency.profiler.fingerprint import host_fingerprint
from evit_nas.latency.profiler.host import measure_graph
from evit_nas.latency.table.find import find_table
from evit_nas.space.arch import ArchConfig, Resolution
from evit_nas.tflite.weights import fill_random
from evit_nas.tflite.writer import write

SCHEDULES = ("auto", "plain", "strips")


def check_schedule(schedule: str) -> None:
    """Raise InputError for a word that is no schedule."""
    if schedule not in SCHEDULES:
        raise InputError(f"--schedule {schedule!r}: {nearest(schedule, SCHEDULES)}")


def schedule_name(schedule: Schedule) -> str:
    return "plain" if schedule == PLAIN else "strips"


def model_bytes(arch: ArchConfig, resolution: Resolution, lowering: Lowering) -> bytes:
    """A .tflite with random weights, which no kernel's time depends on: what is timed."""
    return write(fill_random(emit(arch, resolution, lowering), seed=0))


def host_schedule(arch: ArchConfig, resolution: Resolution, *, tables: Path | None = None) -> Schedule:
    """The faster of plain and strips on this machine; plain where it has no table, so no evidence is wanted here."""
    strips = strip_schedule(arch, resolution)
    if strips == PLAIN:
        return PLAIN
    try:
        find_table(host_fingerprint(), tables)
    except TableError:
        return PLAIN
    times = {
        option: measure_graph(model_bytes(arch, resolution, Lowering(schedule=option))).latency_ms
        for option in (PLAIN, strips)
    }
    return min(times, key=times.__getitem__)
