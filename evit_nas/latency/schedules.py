"""Row strips: what each form of a chain of blocks took on this machine, kept beside its latency table.

`<table>.schedule.json` holds microseconds by chain and number of strips (1: plain), and what the whole networks took
that were checked. The folder's fingerprint covers CPU and runtime, so evidence never outlives either.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from evit_nas.errors import TableError
from evit_nas.files import write_text
from evit_nas.graph.blocks import Placed, layout
from evit_nas.graph.emit import emit_chain
from evit_nas.graph.lowering import PLAIN, Group, Schedule, chains, strip_count
from evit_nas.latency.predictor.base import Floats
from evit_nas.latency.profiler.lock import machine_lock
from evit_nas.space.arch import ArchConfig, Resolution
from evit_nas.tflite.runtime import Session
from evit_nas.tflite.weights import fill_random
from evit_nas.tflite.writer import write

SCHEMA = 2
SUFFIX = ".schedule.json"
STRIP_BYTES = (1.125e6, 2.25e6, 4.5e6)  # of the widest map, tried for each chain
MIN_BYTES = 6e6  # what a block moves; smaller ones lose to halo rows and copies on every cache that was tried
LEAST_GAIN = 0.03  # alone; below that a chain stays plain
ROUNDS = 15
CALM = 0.25  # quantile over rounds: how fast the machine is, whoever interrupts it for a moment
ROUND_S = 0.03


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkCheck:
    """A whole network, plain and with the schedule chosen for it, interleaved; `predicted_gain` as a share of time."""

    plain_ms: float
    chosen_ms: float
    predicted_gain: float

    @property
    def gain(self) -> float:
        """Share of the plain time saved; negative where the schedule is slower."""
        return 1 - self.chosen_ms / self.plain_ms


@dataclass(frozen=True, kw_only=True)
class ScheduleEvidence:
    """Microseconds by chain key and strips, and checks by network key."""

    chains: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    networks: Mapping[str, NetworkCheck] = field(default_factory=dict)

    def best(self, chain: Sequence[Placed]) -> int:
        """The number of strips that was fastest, 1 where nothing is known or gained."""
        times = self.chains.get(chain_key(chain), {})
        if 1 not in times:
            return 1
        strips = min(times, key=times.__getitem__)
        return strips if times[strips] <= (1 - LEAST_GAIN) * times[1] else 1

    def ratio(self, chain: Sequence[Placed], strips: int) -> float | None:
        """Time of the chain in `strips` over its plain time; None where that was not measured."""
        times = self.chains.get(chain_key(chain), {})
        return times[strips] / times[1] if strips in times and 1 in times else None

    def schedule(self, arch: ArchConfig, resolution: Resolution) -> Schedule:
        """The best form of every chain, or plain for a network whose check came out slower."""
        check = self.networks.get(network_key(arch, resolution))
        if check is not None and check.gain <= 0:
            return PLAIN
        return Schedule.of(
            Group(tuple(item.path for item in chain), self.best(chain)) for chain in chains(arch, resolution, MIN_BYTES)
        )


def chain_key(chain: Sequence[Placed]) -> str:
    """`MBConv activation=hswish bias=False ... > MBConv ...`: the shape of each block, fields sorted."""
    return " > ".join(
        f"{type(item.block).__name__} "
        + " ".join(f"{name}={value}" for name, value in sorted(asdict(item.block).items()))
        for item in chain
    )


def network_key(arch: ArchConfig, resolution: Resolution) -> str:
    """A digest of the network's blocks."""
    import hashlib

    text = chain_key(layout(arch, resolution))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def candidate_strips(chain: Sequence[Placed]) -> tuple[int, ...]:
    """Numbers of strips worth measuring, plain first."""
    return (1, *sorted({strip_count(chain, size) for size in STRIP_BYTES} - {1}))


def evidence_path(table: Path) -> Path:
    """The file beside a table."""
    return table.with_name(table.stem + SUFFIX)


def load_evidence(table: Path) -> ScheduleEvidence:
    """What is known beside `table`; nothing where there is no file. Raises TableError where it is damaged."""
    path = evidence_path(table)
    if not path.is_file():
        return ScheduleEvidence()
    try:
        document = json.loads(path.read_text("utf-8"))
        if document["schema"] == 1:  # by block alone: measured anew
            return ScheduleEvidence()
        if document["schema"] != SCHEMA:
            raise ValueError(f"schema {document['schema']}, this version reads {SCHEMA}")
        evidence = ScheduleEvidence(
            chains={
                key: {int(strips): _time(us) for strips, us in times.items()}
                for key, times in document["chains"].items()
            },
            networks={key: NetworkCheck(**check) for key, check in document["networks"].items()},
        )
        for check in evidence.networks.values():
            _time(check.plain_ms), _time(check.chosen_ms)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TableError(f"{path}: damaged ({error}); remove it, it is measured again") from None
    return evidence


def save_evidence(table: Path, evidence: ScheduleEvidence) -> None:
    """Write the file beside `table`."""
    document = {
        "schema": SCHEMA,
        "chains": {key: {str(n): round(us, 2) for n, us in times.items()} for key, times in evidence.chains.items()},
        "networks": {key: asdict(check) for key, check in evidence.networks.items()},
    }
    write_text(evidence_path(table), json.dumps(document, indent=1, sort_keys=True) + "\n")


def with_chain(evidence: ScheduleEvidence, chain: Sequence[Placed], times: Mapping[int, float]) -> ScheduleEvidence:
    return replace(evidence, chains={**evidence.chains, chain_key(chain): times})


def with_check(
    evidence: ScheduleEvidence, arch: ArchConfig, resolution: Resolution, check: NetworkCheck
) -> ScheduleEvidence:
    return replace(evidence, networks={**evidence.networks, network_key(arch, resolution): check})


def measure_chain(chain: Sequence[Placed], *, threads: int = 1) -> dict[int, float]:
    """Microseconds of the chain alone in each of its candidate forms, timed in turns."""
    counts = candidate_strips(chain)
    models = [write(fill_random(emit_chain(chain, strips=count), seed=0)) for count in counts]
    return dict(zip(counts, calm_us(interleaved_us(models, threads=threads)), strict=True))


def calm_us(times_us: Floats) -> list[float]:
    """One time for each model from those of the rounds, shape (rounds, models)."""
    calm: list[float] = np.quantile(times_us, CALM, axis=0).tolist()
    return calm


def interleaved_us(models: Sequence[bytes], *, threads: int = 1, rounds: int = ROUNDS) -> Floats:
    """Median time of each model in each round, in another random order every round, shape (rounds, len(models)).

    A machine that slows down does so for all of them.
    """
    dice, order = random.Random(0), list(range(len(models)))
    times = np.zeros((rounds, len(models)))
    with machine_lock("timing"):
        sessions = [Session(model, threads=threads) for model in models]
        try:
            runs = [max(1, int(ROUND_S * 1e6 / float(np.median(session.time_us(2, 1))))) for session in sessions]
            for row in times:
                dice.shuffle(order)
                for i in order:
                    row[i] = float(np.median(sessions[i].time_us(runs[i], 1)))
        finally:
            for session in sessions:
                session.close()
    return times


def _time(value: Any) -> float:
    if not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ValueError(f"{value!r} is no time")
    return float(value)
