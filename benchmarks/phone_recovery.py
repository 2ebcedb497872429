"""Is a phone's hidden cost model recovered through adb, and are new networks predicted from the table?

    python benchmarks/phone_recovery.py [--quick] [--networks 50] [--seed 0] [--soc sm8450] [--json]

A fake phone gets a cost model drawn from `--seed` (costs of every kind, cache, channel step, cold kernels, cost of a
graph, throttling, noise of 2 %), `evit-nas profile` runs on it through the real adb, and then
- every row of the table is held against the exact cost of that kernel inside the networks that were timed;
- members that were not timed, half of them drawn evenly from the space and half evenly over log MACs (up to 20 G), are
  predicted and held against their exact cost.
Errors in percent. `phone_s` is the phone's own clock, `wall_s` what it took here and
`cpu_s` what the profiler, adb and the fake phone computed: on an idle machine the wall time is little more.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from fake_phones import hidden_rows, hidden_us, own_adb, profile_command, random_costs, running_phone

from evit_nas.fakephone.cost_model import CostModel, cost_model_from
from evit_nas.graph.cost import arch_macs
from evit_nas.graph.emit import emit
from evit_nas.graph.fuse import fuse
from evit_nas.graph.kernel import GRAPH_KIND
from evit_nas.latency.profiler.plan import FULL, stratified_members
from evit_nas.latency.table.networks import load_networks
from evit_nas.latency.table.store import load_table
from evit_nas.space.dimension import Candidate
from evit_nas.space.space import SearchSpace, load_space
from evit_nas.workflows.latency import open_device

SPACE = "efficientvit-seg"
SLICES_US = (0.0, 10.0, 100.0, 1000.0, float("inf"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the small plan")
    parser.add_argument("--networks", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--soc", default="sm8450")
    parser.add_argument("--tables", type=Path, help="keep the tables here")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    costs = random_costs(arguments.seed)
    with own_adb() as folder:
        tables = arguments.tables or folder / "tables"
        tables.mkdir(parents=True, exist_ok=True)
        with running_phone(arguments.soc, costs, folder) as address:
            started = time.monotonic()
            options = ["--space", SPACE, *(["--quick"] if arguments.quick else [])]
            command = profile_command(address, tables, *options)
            said = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
            wall_s = time.monotonic() - started
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        done, model = json.loads(said), cost_model_from(costs, "random")
        path = Path(done["table"])
        figures = {
            "soc": arguments.soc,
            "seed": arguments.seed,
            "plan": "quick" if arguments.quick else "full",
            "phone_s": round(done["phone_seconds"]),
            "wall_s": round(wall_s),
            "cpu_s": round(spent.ru_utime + spent.ru_stime),
            "table": table_figures(path, model),
            "networks": network_figures(path, done["device"], tables, model, arguments.networks, arguments.seed),
        }
    print(json.dumps(figures) if arguments.json else json.dumps(figures, indent=2))


def table_figures(path: Path, model: CostModel) -> dict[str, object]:
    """Rows against the hidden costs of the kernels that they are of."""
    truth = hidden_rows(path, model)
    table = load_table(path)
    graph_us = [row.median_us for row in table.rows if row.signature.kind == GRAPH_KIND]
    rows = [row for row in table.rows if row.signature.key in truth]
    exact = np.array([truth[row.signature.key] for row in rows])
    errors = np.array([row.median_us for row in rows]) / exact - 1
    inside = [row.low_us <= us <= row.high_us for row, us in zip(rows, exact, strict=True)]
    slices = {
        f"{low:g}-{high:g} us": {**_errors(errors[chosen]), "rows": int(chosen.sum())}
        for low, high in pairwise(SLICES_US)
        if (chosen := (exact >= low) & (exact < high)).any()
    }
    return {
        "rows": len(rows),
        "rows_without_truth": len(table.rows) - len(rows) - len(graph_us),
        **_errors(errors),
        "interval_95_holds": round(float(np.mean(inside)), 3),
        "by_time": slices,
        "graph_us": graph_us,
        "graph_us_hidden": model.graph_us,
    }


def network_figures(
    path: Path, device: str, tables: Path, model: CostModel, count: int, seed: int
) -> dict[str, object]:
    """Predictions of members that were not timed against their hidden costs."""
    space = load_space(SPACE)
    predictor = open_device(device, tables=tables).predictor
    timed = {(network.arch, network.resolution) for network in load_networks(path)}
    members = [member for member in unseen(space, count, seed) if (member.arch, member.resolution) not in timed]
    predictions = [predictor.predict(fuse(emit(member.arch, member.resolution))) for member in members]
    exact = [
        (model.graph_us + sum(us for _, us in hidden_us(member.arch, member.resolution, model))) / 1e3
        for member in members
    ]
    pairs = list(zip(predictions, exact, strict=True))
    errors = np.array([prediction.latency_ms / ms - 1 for prediction, ms in pairs])
    worst = int(np.argmax(np.abs(errors)))
    return {
        "networks": len(members),
        **_errors(errors),
        "within_5": round(float(np.mean(np.abs(errors) <= 0.05)), 3),
        "interval_90_holds": round(float(np.mean([p.low_ms <= ms <= p.high_ms for p, ms in pairs])), 3),
        "interval_half_width": round(50 * float(np.mean([(p.high_ms - p.low_ms) / p.latency_ms for p, _ in pairs])), 2),
        "extrapolated_share": round(float(np.mean([p.coverage.extrapolated for p, _ in pairs])), 4),
        "worst_network": {
            "ms": round(exact[worst], 3),
            "gmacs": round(arch_macs(members[worst].arch, members[worst].resolution) / 1e9, 3),
            "extrapolated_share": round(predictions[worst].coverage.extrapolated, 4),
        },
    }


def unseen(space: SearchSpace, count: int, seed: int) -> Sequence[Candidate]:
    """Half drawn evenly from the space, half evenly over log MACs; by seeds that no plan uses."""
    smallest = space.smallest()
    low = float(arch_macs(smallest.arch, smallest.resolution))
    even = space.sample(90_000 + seed, count // 2)
    return [*even, *stratified_members(space, seed=90_000 + seed, count=count - len(even), macs=(low, FULL.max_macs))]


def _errors(errors: np.ndarray) -> dict[str, float]:
    size = np.abs(errors)
    named = {"mape": size.mean(), "bias": errors.mean(), "p95": np.quantile(size, 0.95), "worst": size.max()}
    return {name: round(100 * float(value), 3) for name, value in named.items()}


if __name__ == "__main__":
    main()
