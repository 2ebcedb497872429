"""A new phone in few rows: is a hidden cost model predicted from another phone's table and N rows of its own?

    python benchmarks/phone_transfer.py [--rows 10 30 100] [--networks 50] [--seed 0] [--full] [--json]

Fake phone A gets a cost model drawn from `--seed` and is profiled (quickly, or with `--full` wholly). Fake phone B, of
another chip, gets another draw: prices of every kind, cache, channel step, cost of a graph, throttling, noise of 2 %.
For each count, `evit-nas profile --rows N` runs on B into a folder of its own through the real adb and carries the rest
over from A; then members that were not timed are predicted and held against their exact cost. Errors in percent;
`phone_s` is B's own clock. `unchanged`: A's own predictions times one factor.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
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
    parser.add_argument("--networks", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--full", action="store_true", help="profile the known phone with the whole plan")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    costs = random_costs(arguments.seed + ANOTHER)
    members = unseen(arguments.networks, arguments.seed)
    exact = exact_ms(members, cost_model_from(costs, "random"))
    figures: dict[str, object] = {"seed": arguments.seed, "networks": len(members)}
    with own_adb() as folder:
        known = folder / "known"
        known.mkdir()
        with running_phone(KNOWN, random_costs(arguments.seed), folder) as address:
            profiled(address, known, *([] if arguments.full else ["--quick"]))
        source = open_device(KNOWN, tables=known).predictor
        scaled = np.array([source.predict(fuse(emit(m.arch, m.resolution))).latency_ms for m in members])
        figures["unchanged"] = errors(scaled * np.exp(np.mean(np.log(exact / scaled))) / exact - 1)
        for count in arguments.rows:
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
    print(json.dumps(figures) if arguments.json else json.dumps(figures, indent=2))


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
