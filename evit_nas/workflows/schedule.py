"""Plain or row strips: a choice per device and block, decided by measuring and never by faith."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from evit_nas.errors import InputError, TableError, nearest
from evit_nas.graph.block_kernels import block_kernels
from evit_nas.graph.blocks import Block, layout
from evit_nas.graph.emit import emit
from evit_nas.graph.lowering import OURS, PLAIN, Lowering, Schedule
from evit_nas.latency.predictor.base import LatencyPredictor
from evit_nas.latency.profiler.fingerprint import host_fingerprint
from evit_nas.latency.schedules import (
    NetworkCheck,
    ScheduleEvidence,
    block_key,
    calm_us,
    candidate_strips,
    interleaved_us,
    load_evidence,
    measure_block,
    network_key,
    save_evidence,
    with_block,
    with_check,
)
from evit_nas.latency.table.find import find_table
from evit_nas.space.arch import ArchConfig, Resolution
from evit_nas.tflite.weights import fill_random
from evit_nas.tflite.writer import write

SCHEDULES = ("auto", "plain", "strips")
Note = Callable[[str], None]


def check_schedule(schedule: str) -> None:
    """Raise InputError for a word that is no schedule."""
    if schedule not in SCHEDULES:
        raise InputError(f"--schedule {schedule!r}: {nearest(schedule, SCHEDULES)}")


def schedule_name(schedule: Schedule) -> str:
    return "plain" if schedule == PLAIN else "strips"


def model_bytes(arch: ArchConfig, resolution: Resolution, lowering: Lowering) -> bytes:
    """A .tflite with random weights, which no kernel's time depends on: what is timed."""
    return write(fill_random(emit(arch, resolution, lowering), seed=0))


def host_schedule(
    arch: ArchConfig,
    resolution: Resolution,
    *,
    tables: Path | None = None,
    threads: int = 1,
    note: Note | None = None,
) -> Schedule | None:
    """The strips of each block that are faster on this machine, checked on the whole network against plain.

    Measured once and kept beside the machine's table; None where it has none, so no evidence is wanted here.
    """
    try:
        table = find_table(host_fingerprint(), tables, threads=threads)
    except TableError:
        return None
    evidence = _measured(table, arch, resolution, threads, note)
    chosen = evidence.schedule(arch, resolution)
    if chosen == PLAIN or network_key(arch, resolution) in evidence.networks:
        return chosen
    check = check_network(evidence, arch, resolution, chosen, threads=threads)
    evidence = with_check(evidence, arch, resolution, check)
    save_evidence(table, evidence)
    return evidence.schedule(arch, resolution)


def known_schedule(arch: ArchConfig, resolution: Resolution) -> Schedule:
    """What was measured on this machine so far, without measuring now; plain where nothing was."""
    try:
        table = find_table(host_fingerprint())
    except TableError:
        return PLAIN
    return load_evidence(table).schedule(arch, resolution)


def _measured(
    table: Path, arch: ArchConfig, resolution: Resolution, threads: int, note: Note | None
) -> ScheduleEvidence:
    """The evidence with every block of the network that may run in strips; new blocks are on the disk at once."""
    evidence = load_evidence(table)
    blocks = {block_key(item.block): item.block for item in layout(arch, resolution)}
    missing = [
        block for key, block in blocks.items() if key not in evidence.blocks and len(candidate_strips(block)) > 1
    ]
    for number, block in enumerate(missing, start=1):
        if note is not None:
            note(f"row strips: measuring block {number} of {len(missing)}")
        evidence = with_block(evidence, block, measure_block(block, threads=threads))
        save_evidence(table, evidence)
    return evidence


def check_network(
    evidence: ScheduleEvidence, arch: ArchConfig, resolution: Resolution, chosen: Schedule, *, threads: int = 1
) -> NetworkCheck:
    """The whole network in both forms, timed in turns, and the gain that the blocks alone promise."""
    models = [model_bytes(arch, resolution, Lowering(schedule=schedule)) for schedule in (PLAIN, chosen)]
    plain_us, chosen_us = calm_us(interleaved_us(models, threads=threads))
    saved_us = sum(
        times[1] - times[chosen.count(item.path)]
        for item in layout(arch, resolution)
        if chosen.count(item.path) > 1
        for times in (evidence.blocks[block_key(item.block)],)
    )
    return NetworkCheck(plain_ms=plain_us / 1e3, chosen_ms=chosen_us / 1e3, predicted_gain=saved_us / plain_us)


def predicted_gain(
    evidence: ScheduleEvidence,
    predictor: LatencyPredictor,
    arch: ArchConfig,
    resolution: Resolution,
    schedule: Schedule,
) -> float | None:
    """Share of the plain time that `schedule` saves: what each block saved alone, weighted by its predicted time.

    None where a block in strips was never measured so.
    """
    placed = layout(arch, resolution)
    plain_us = np.array([_plain_us(predictor, item.block) for item in placed])
    saved_us = 0.0
    for item, own_us in zip(placed, plain_us.tolist(), strict=True):
        strips = schedule.count(item.path)
        ratio = evidence.ratio(item.block, strips) if strips > 1 else 1.0
        if ratio is None:
            return None
        saved_us += own_us * (1 - ratio)
    return saved_us / float(plain_us.sum())


def _plain_us(predictor: LatencyPredictor, block: Block) -> float:
    return float(predictor.kernel_times_us(block_kernels(block, OURS)).sum())
