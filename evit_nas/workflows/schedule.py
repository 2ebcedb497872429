"""Plain or row strips: a choice per device and chain of blocks, decided by measuring and never by faith."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from evit_nas.errors import InputError, TableError, nearest
from evit_nas.graph.block_kernels import block_kernels
from evit_nas.graph.blocks import Block, Placed, layout
from evit_nas.graph.emit import emit
from evit_nas.graph.lowering import OURS, PLAIN, Group, Lowering, Schedule, chains
from evit_nas.latency.predictor.base import LatencyPredictor
from evit_nas.latency.profiler.fingerprint import host_fingerprint
from evit_nas.latency.schedules import (
    MIN_BYTES,
    NetworkCheck,
    ScheduleEvidence,
    calm_us,
    chain_key,
    interleaved_us,
    load_evidence,
    measure_chain,
    network_key,
    save_evidence,
    with_chain,
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
    """The strips of each chain of blocks that are faster on this machine, checked on the whole network against plain.

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
    """The evidence with every chain of the network that may run in strips; new ones are on the disk at once."""
    evidence = load_evidence(table)
    found = {chain_key(chain): chain for chain in chains(arch, resolution, MIN_BYTES)}
    missing = [chain for key, chain in found.items() if key not in evidence.chains]
    for number, chain in enumerate(missing, start=1):
        if note is not None:
            note(f"row strips: measuring chain {number} of {len(missing)}, of {len(chain)} blocks")
        evidence = with_chain(evidence, chain, measure_chain(chain, threads=threads))
        save_evidence(table, evidence)
    return evidence


def check_network(
    evidence: ScheduleEvidence, arch: ArchConfig, resolution: Resolution, chosen: Schedule, *, threads: int = 1
) -> NetworkCheck:
    """The whole network in both forms, timed in turns, and the gain that the chains alone promise."""
    models = [model_bytes(arch, resolution, Lowering(schedule=schedule)) for schedule in (PLAIN, chosen)]
    plain_us, chosen_us = calm_us(interleaved_us(models, threads=threads))
    saved_us = 0.0
    for group in chosen.groups:
        times = evidence.chains[chain_key(_members(layout(arch, resolution), group))]
        saved_us += times[1] - times[group.strips]
    return NetworkCheck(plain_ms=plain_us / 1e3, chosen_ms=chosen_us / 1e3, predicted_gain=saved_us / plain_us)


def predicted_gain(
    evidence: ScheduleEvidence,
    predictor: LatencyPredictor,
    arch: ArchConfig,
    resolution: Resolution,
    schedule: Schedule,
) -> float | None:
    """Share of the plain time that `schedule` saves: what each group saved alone, weighted by its predicted time.

    None where a group was never measured so.
    """
    placed = layout(arch, resolution)
    plain_us = {item.path: _plain_us(predictor, item.block) for item in placed}
    saved_us = 0.0
    for group in schedule.groups:
        ratio = evidence.ratio(_members(placed, group), group.strips)
        if ratio is None:
            return None
        saved_us += sum(plain_us[path] for path in group.paths) * (1 - ratio)
    return saved_us / sum(plain_us.values())


def _members(placed: Sequence[Placed], group: Group) -> tuple[Placed, ...]:
    return tuple(item for item in placed if item.path in group.paths)


def _plain_us(predictor: LatencyPredictor, block: Block) -> float:
    return float(predictor.kernel_times_us(block_kernels(block, OURS)).sum())
