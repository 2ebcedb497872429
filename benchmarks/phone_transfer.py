"""A new phone in few rows: is a hidden cost model predicted from another phone's table and N rows of its own?

    python benchmarks/phone_transfer.py [--rows 10 30 100] [--networks 100] [--seeds 0] [--known DIR] [--json]

For each seed, fake phone A gets a cost model drawn from it and is profiled (quickly, or with `--full` wholly). Fake
phone B, of another chip, gets another draw: prices of every kind, cache, channel step, cost of a graph, throttling,
noise of 2 %. For each count, `evit-nas profile --rows N` runs on B into a folder of its own through the real adb and
carries the rest over from A; then members that were not timed are predicted and held against their exact cost. Errors
in percent; `phone_s` is B's own clock. `unchanged`: A's own predictions times one factor. `all`: means over the seeds.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from fake_phones import hidden_us, own_adb, profile_command, random_costs, running_phone

from evit_nas.fakephone.cost_model import CostModel, cost_model_from
from evit_nas.graph.cost import arch_macs
from evit_nas.graph.emit import emit
from evit_nas.graph.fuse import fuse
from evit_nas.latency.profiler.plan import FULL, stratified_members
from evit_nas.space.dimension import Candidate
from evit_nas.space.space import load_space
from evit_nas.workflows.latency import open_device

SPACE = "efficientvit-seg"
KNOWN, NEW = "sm8350", "sm8450"
ANOTHER = 1000  # added to the seed for the new phone's costs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10, 30, 100])
    parser.add_argument("--networks", type=int, default=100)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--full", action="store_true", help="profile the known phone with the whole plan")
    parser.add_argument(
        "--known", type=Path, metavar="DIR", help="keep the tables of the known phones there, or use them"
    )
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    seeds = {}
    for seed in arguments.seeds:
        with own_adb() as folder:
            known = (arguments.known or folder) / f"known-{seed}{'-full' if arguments.full else ''}"
            profile_known(known, seed, folder, *([] if arguments.full else ["--quick"]))
            seeds[str(seed)] = transferred(known, seed, folder, arguments.rows, arguments.networks)
        print(json.dumps({seed: seeds[str(seed)]}), file=sys.stderr, flush=True)
    figures = {"networks": arguments.networks, "seeds": seeds, "all": together(list(seeds.values()))}
    print(json.dumps(figures) if arguments.json else json.dumps(figures, indent=2))


def profile_known(known: Path, seed: int, folder: Path, *options: str) -> None:
    """The tables of the known phone at `known`, whole or not at all."""
    if known.exists():
        return
    (folder / "profiled").mkdir()
    with running_phone(KNOWN, random_costs(seed), folder) as address:
        profiled(address, folder / "profiled", *options)
    shutil.copytree(folder / "profiled", known.with_suffix(".part"))
    known.with_suffix(".part").rename(known)


def transferred(known: Path, seed: int, folder: Path, rows: list[int], networks: int) -> dict[str, dict[str, object]]:
    """Figures by number of rows of the new phone."""
    costs = random_costs(seed + ANOTHER)
    members = unseen(networks, seed)
    exact = exact_ms(members, cost_model_from(costs, "random"))
    source = open_device(KNOWN, tables=known).predictor
    scaled = np.array([source.predict(fuse(emit(m.arch, m.resolution))).latency_ms for m in members])
    figures: dict[str, dict[str, object]] = {
        "unchanged": dict(errors(scaled * np.exp(np.mean(np.log(exact / scaled))) / exact - 1))
    }
    for count in rows:
        tables = folder / f"rows-{count}"
        shutil.copytree(known, tables)
        with running_phone(NEW, costs, folder) as address:
            done = profiled(address, tables, "--rows", str(count))
        figures[f"{count} rows"] = {
            "phone_s": round(float(str(done["phone_seconds"]))),
            "rows_measured": done["rows_new"],
            "rows_transferred": done["transferred"],
            "from": done["transferred_from"],
            **network_figures(str(done["device"]), tables, members, exact),
        }
    return figures


def together(seeds: list[dict[str, dict[str, object]]]) -> dict[str, dict[str, float]]:
    """Means over the seeds, and the longest time of the phone."""
    found = {}
    for name in seeds[0]:
        numbers = {key for key, value in seeds[0][name].items() if isinstance(value, float)}
        means = {
            key: round(float(np.mean([float(str(one[name][key])) for one in seeds])), 3) for key in sorted(numbers)
        }
        longest = [float(str(one[name]["phone_s"])) for one in seeds if "phone_s" in one[name]]
        found[name] = {**means, **({"phone_s_most": max(longest)} if longest else {})}
    return found


def profiled(address: str, tables: Path, *options: str) -> dict[str, object]:
    command = profile_command(address, tables, "--space", SPACE, *options)
    result: dict[str, object] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return result


def unseen(count: int, seed: int) -> tuple[Candidate, ...]:
    """Half drawn evenly from the space, half evenly over log MACs; by seeds that no plan uses."""
    space = load_space(SPACE)
    smallest = space.smallest()
    low = float(arch_macs(smallest.arch, smallest.resolution))
    even = space.sample(80_000 + seed, count // 2)
    by_macs = stratified_members(space, seed=80_000 + seed, count=count - len(even), macs=(low, FULL.max_macs))
    return (*even, *by_macs)


def exact_ms(members: tuple[Candidate, ...], model: CostModel) -> np.ndarray:
    times_us = [model.graph_us + sum(us for _, us in hidden_us(m.arch, m.resolution, model)) for m in members]
    return np.array(times_us) / 1e3


def network_figures(device: str, tables: Path, members: tuple[Candidate, ...], exact: np.ndarray) -> dict[str, object]:
    predictor = open_device(device, tables=tables).predictor
    found = [predictor.predict(fuse(emit(member.arch, member.resolution))) for member in members]
    held = [one.low_ms <= ms <= one.high_ms for one, ms in zip(found, exact, strict=True)]
    widths = [(one.high_ms - one.low_ms) / (2 * one.latency_ms) for one in found]
    return {
        **errors(np.array([one.latency_ms for one in found]) / exact - 1),
        "interval_90_holds": round(float(np.mean(held)), 3),
        "interval_half_width": round(100 * float(np.mean(widths)), 2),
        "extrapolated_share": round(float(np.mean([one.coverage.extrapolated for one in found])), 4),
    }


def errors(relative: np.ndarray) -> dict[str, float]:
    size = np.abs(relative)
    named = {"mape": size.mean(), "bias": relative.mean(), "worst": size.max()}
    figures = {name: round(100 * float(value), 2) for name, value in named.items()}
    return {**figures, "within_5": round(float(np.mean(size <= 0.05)), 3)}


if __name__ == "__main__":
    main()
