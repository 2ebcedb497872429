"""Which networks are trained to learn what each dimension is worth: writes the plan that run_queue.py works on.

By value for the time it takes: the four networks of Table 3 with three seeds; the smallest member of
efficientvit-seg-small and 40 others, half of them with equal MACs within 5 %, then ten of those with two more seeds;
Table 3 on CamVid; 24 members more; B1 to B3. The members are a D-optimal fraction at three latency levels (members.py).
The same call writes the same files. Prints what stands in the plan as JSON.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from ablation import variants
from members import Level, design

from evit_nas.files import write_text
from evit_nas.graph.cost import arch_macs
from evit_nas.space.arch import ArchConfig, Resolution, resolution_text
from evit_nas.space.space import Candidate, load_space, shipped_spaces
from evit_nas.space.yaml_io import arch_to_yaml
from evit_nas.workflows.train_plan import PlannedTraining, write_plan

SPACE = "efficientvit-seg-small"
IDD, CAMVID = "idd-lite-held-out", "camvid"
RECIPE = "measured"
SIZE: Resolution = (128, 160)
EPOCHS = {IDD: 12, CAMVID: 60}
SEEDS = (0, 1, 2)
LEVELS = (
    Level(name="mid", latency=1.3, width=0.25, count=32, macs=1.6),
    Level(name="low", latency=0.9, width=0.15, count=16),
    Level(name="high", latency=2.0, width=0.25, count=16),
)
FIRST = {"mid": 20, "low": 10, "high": 10}
REPEATED = {"mid": 6, "low": 2, "high": 2}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("reports/measured"))
    parser.add_argument("--seed", type=int, default=0, help="of the pool that members are chosen from")
    arguments = parser.parse_args()
    write_text(arguments.out / "space.yaml", at_one_size(shipped_spaces()[SPACE]))
    space = load_space(SPACE)
    found = design(space, SIZE, LEVELS, arguments.seed)
    ablation = {name: arch for name, arch in variants(7, SIZE).items() if name != "ms1-ga1"}
    networks = {"smallest": space.smallest().arch}
    networks |= {f"table3-{name}": arch for name, arch in ablation.items()}
    networks |= {member(level, i): one.arch for level, own in found.items() for i, one in enumerate(own)}
    for name, arch in networks.items():
        write_text(arguments.out / file_of(name), arch_to_yaml(arch, SIZE))
    trainings = list(plan(found, list(ablation)))
    write_plan(arguments.out / "plan.csv", trainings)
    print(json.dumps(summary(trainings, networks, found)))


def at_one_size(text: str) -> str:
    """The space for a supernet that is to rank these networks: it need not learn other inputs."""
    text = re.sub(r"^name: .*$", f"name: {SPACE}-{resolution_text(SIZE)}", text, flags=re.MULTILINE)
    return re.sub(r"^resolution: .*$", f"resolution: [{resolution_text(SIZE)}]", text, flags=re.MULTILINE)


def plan(found: dict[str, list[Candidate]], ablation: Sequence[str]) -> Iterator[PlannedTraining]:
    """All trainings in order."""
    first = [member(level, i) for i in range(max(FIRST.values())) for level in FIRST if i < FIRST[level]]
    rest = [member(level, i) for level, own in found.items() for i in range(FIRST[level], len(own))]
    repeated = [member(level, i) for level, count in REPEATED.items() for i in range(count)]
    yield from table3(IDD, ablation)
    yield training("family", "smallest", file_of("smallest"), IDD, 0)
    yield from (training("rank", name, file_of(name), IDD, 0) for name in first)
    yield from (training("rank", name, file_of(name), IDD, seed) for seed in SEEDS[1:] for name in repeated)
    yield from table3(CAMVID, ablation)
    yield from (training("rank", name, file_of(name), IDD, 0) for name in rest)
    yield from (training("family", name, name, IDD, 0) for name in ("b1", "b2", "b3"))


def table3(dataset: str, ablation: Sequence[str]) -> Iterator[PlannedTraining]:
    """Seed by seed, so that a half-finished table has all four networks."""
    for seed in SEEDS:
        yield training("table3", "table3-ms1-ga1", "b0", dataset, seed)
        yield from (training("table3", f"table3-{name}", file_of(f"table3-{name}"), dataset, seed) for name in ablation)


def training(tag: str, name: str, arch: str, dataset: str, seed: int) -> PlannedTraining:
    short = dataset.partition("-")[0]
    return PlannedTraining(
        job=f"{short}-{name}-e{EPOCHS[dataset]}-s{seed}",
        tag=tag,
        dataset=dataset,
        arch=arch,
        recipe=RECIPE,
        resolution=SIZE,
        epochs=EPOCHS[dataset],
        seed=seed,
    )


def member(level: str, number: int) -> str:
    return f"rank-{level}-{number:02d}"


def file_of(name: str) -> str:
    return f"archs/{name}.yaml"


def summary(
    trainings: list[PlannedTraining], networks: dict[str, ArchConfig], found: dict[str, list[Candidate]]
) -> dict[str, object]:
    b0 = arch_macs(load_space(SPACE).member("b0"), SIZE)
    macs = {name: arch_macs(arch, SIZE) / b0 for name, arch in networks.items()}
    spread = {level: [macs[member(level, i)] for i in range(len(own))] for level, own in found.items()}
    return {
        "trainings": len(trainings),
        "by_tag": dict(Counter(f"{training.dataset} {training.tag}" for training in trainings)),
        "macs_over_b0": {level: [round(min(own), 3), round(max(own), 3)] for level, own in spread.items()},
        "table3_macs_over_b0": {name: round(value, 4) for name, value in macs.items() if name.startswith("table3")},
    }


if __name__ == "__main__":
    main()
