"""The networks that the host predictor is judged on, and their timings; for the scripts that compare with them.

    python benchmarks/host_networks.py [--out FILE] [--seconds S] [--share X]

Times what is not in FILE yet, for S seconds at most, and says how much is left. Every timing is appended at once.

- default: 200 members of the default space, log-uniform in MACs, ten bins from the smallest to 20 G;
- official: B0 to B3 at 512x1024, and neighbours: 10 of each that differ from it by one step in one dimension;
- large: 20 members log-uniform from 20 to 160 G (two thirds of all members are in between; a larger one takes minutes);
- anchor: 30 of a profile's plan, spread over it: how fast the machine is now against when the table was measured.

None of the others is in the plan of a profile. Each is timed three times, each time after all others, in a session of
its own: 0.25 s and four runs at least, three from 5 G on, two above 20 G. A timing beside which the reference model
moved is repeated later, twice at most. All of it takes half an hour; `--share 0.2` times a fifth of every group.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evit_nas.graph.cost import arch_macs
from evit_nas.graph.emit import emit
from evit_nas.latency.predictor.base import Floats
from evit_nas.latency.profiler.devices.host import HostDevice
from evit_nas.latency.profiler.lock import machine_lock
from evit_nas.latency.profiler.plan import FULL, plan_members, stratified_members
from evit_nas.latency.profiler.protocol import Canary, time_network
from evit_nas.latency.table.networks import load_networks
from evit_nas.space.dimension import Candidate
from evit_nas.space.space import SearchSpace, load_space
from evit_nas.tflite.weights import fill_random
from evit_nas.tflite.writer import write

SEED = 271_828
BINS = 10
PER_GROUP = 10  # neighbours of each official network
OFFICIAL_SIZE = (512, 1024)
MAX_MACS, LARGE_MACS = 20e9, 160e9
ANCHOR, ANCHORS, ANCHOR_MACS = "anchor", 30, 5e9
PASSES = 3
ATTEMPTS = 3  # at a timing beside which the reference model moves
FELT = 0.5  # share of a single move of the reference model that a network feels: 0.2 to 1.1 in three sessions
TIMINGS = Path("reports/host_accuracy.jsonl")
Key = tuple[str, int]  # group, number in it


@dataclass(frozen=True, slots=True)
class Timed:
    """Networks with their timings in milliseconds (PASSES, N), and how fast the machine was then.

    `moved`: the reference model's time over its median, for each timing. `speed`: the median time of the anchors, which
    the table has a time of, over that time.
    """

    keys: tuple[Key, ...]
    members: tuple[Candidate, ...]
    latency_ms: Floats
    moved: Floats
    speed: float

    @property
    def at_table_speed_ms(self) -> Floats:
        """The timings as they would have been when the table was measured, (PASSES, N)."""
        return self.latency_ms / self.moved**FELT / self.speed

    @property
    def macs(self) -> Floats:
        return np.array([float(arch_macs(member.arch, member.resolution)) for member in self.members])


def networks_to_time(share: float = 1.0) -> dict[Key, Candidate]:
    """The first `share` of each group."""
    space = load_space("efficientvit-seg")
    smallest = space.smallest()
    low = float(arch_macs(smallest.arch, smallest.resolution))
    official = [Candidate(space.member(name), OFFICIAL_SIZE) for name in space.members]
    groups: dict[str, Sequence[Candidate]] = {
        "default": stratified_members(space, seed=SEED, count=200, macs=(low, MAX_MACS)),
        "official": official,
        "neighbours": _neighbours(space, official),
        "large": stratified_members(space, seed=SEED, count=20, macs=(MAX_MACS, LARGE_MACS)),
        ANCHOR: _anchors(space),
    }
    return {
        (group, i): member
        for group, members in groups.items()
        for i, member in enumerate(members[: round(share * len(members))])
    }


def _anchors(space: SearchSpace) -> list[Candidate]:
    planned = plan_members(space, FULL, seed=0)
    small = [member for member in planned if arch_macs(member.arch, member.resolution) < ANCHOR_MACS]
    return [small[i] for i in np.linspace(0, len(small) - 1, ANCHORS).round().astype(int)]


def _neighbours(space: SearchSpace, official: Sequence[Candidate]) -> list[Candidate]:
    """PER_GROUP of each, drawn once for all; the first of every official network come first."""
    random = np.random.default_rng(SEED)
    drawn = [random.permutation(np.array(space.neighbours(member), dtype=object))[:PER_GROUP] for member in official]
    return [own[i] for i in range(PER_GROUP) for own in drawn]


def read_timings(path: Path) -> dict[tuple[int, Key], tuple[float, float]]:
    """(pass, network) -> milliseconds, the reference model's microseconds then; from the finished lines of `path`.

    Of a timing that was disturbed ATTEMPTS times the calmest counts; until then it is missing.
    """
    if not path.exists():
        return {}
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
    tried: dict[tuple[int, Key], list[dict[str, float]]] = {}
    for line in lines:
        if line["seed"] == SEED:
            tried.setdefault((line["pass"], (line["group"], line["number"])), []).append(line)
    found = {}
    for key, attempts in tried.items():
        calmest = min(attempts, key=lambda line: (bool(line["problem"]), line["canary_us"]))
        if not calmest["problem"] or len(attempts) >= ATTEMPTS:
            found[key] = (calmest["latency_ms"], calmest["canary_us"])
    return found


def load_timed(path: Path, table: Path, share: float = 1.0) -> Timed:
    """Networks timed in every pass and unknown to `table`. Exits where some are not timed yet."""
    timings, wanted = read_timings(path), networks_to_time(share)
    left = sum((turn, key) not in timings for turn in range(PASSES) for key in wanted)
    if left:
        raise SystemExit(f"{path}: {left} timings left; python benchmarks/host_networks.py --out {path} goes on")
    latency, canary = (
        np.array([[timings[turn, key][part] for key in wanted] for turn in range(PASSES)]) for part in (0, 1)
    )
    moved = canary / np.median(canary)
    table_ms = {(row.arch, row.resolution): row.latency_ms for row in load_networks(table)}
    known = np.array([table_ms.get((member.arch, member.resolution), np.nan) for member in wanted.values()])
    anchors = np.array([group == ANCHOR for group, _ in wanted]) & np.isfinite(known)
    if not anchors.any():
        raise SystemExit(f"{table}: none of the networks of the plan is in it; profile first")
    speed = float(np.median(np.median(latency / moved**FELT, axis=0)[anchors] / known[anchors]))
    unseen = np.flatnonzero(np.isnan(known) & np.array([group != ANCHOR for group, _ in wanted])).tolist()
    keys = list(wanted)
    chosen = tuple(keys[i] for i in unseen)
    return Timed(chosen, tuple(wanted[key] for key in chosen), latency[:, unseen], moved[:, unseen], speed)


def time_networks(networks: Mapping[Key, Candidate], path: Path, seconds: float) -> int:
    """Time what is not timed yet, for `seconds` at most; the number of timings left."""
    started = time.monotonic()
    path.parent.mkdir(parents=True, exist_ok=True)
    with machine_lock("timing"), path.open("a", encoding="utf-8") as file:
        canary = Canary(HostDevice())
        canary.settle()
        while todo := _left(networks, path):
            for count, (turn, (group, number)) in enumerate(todo):
                if time.monotonic() - started > seconds:
                    return len(todo) - count
                row = {"seed": SEED, "pass": turn, "group": group, "number": number}
                file.write(json.dumps({**row, **_timing(canary, networks[group, number])}) + "\n")
                file.flush()
    return 0


def _left(networks: Mapping[Key, Candidate], path: Path) -> list[tuple[int, Key]]:
    """Shuffled within a pass, so that a slow spell of the machine meets no single group."""
    done, keys = read_timings(path), list(networks)
    orders = [np.random.default_rng(SEED + turn).permutation(len(keys)) for turn in range(PASSES)]
    return [(turn, keys[i]) for turn, order in enumerate(orders) for i in order if (turn, keys[i]) not in done]


def _timing(canary: Canary, member: Candidate) -> dict[str, object]:
    macs = arch_macs(member.arch, member.resolution)
    min_runs = 4 if macs < 5e9 else 3 if macs < MAX_MACS else 2
    model = write(fill_random(emit(member.arch, member.resolution), seed=0))
    timing = time_network(canary, model, seconds=0.25, min_runs=min_runs, rounds=(1, 1))
    return {"latency_ms": timing.latency_ms, "canary_us": timing.canary_us, "problem": timing.problem}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=TIMINGS)
    parser.add_argument("--seconds", type=float, default=2100.0)
    parser.add_argument("--share", type=float, default=1.0)
    options = parser.parse_args()
    left = time_networks(networks_to_time(options.share), options.out, options.seconds)
    print(json.dumps({"timings": str(options.out), "left": left}))


if __name__ == "__main__":
    main()
