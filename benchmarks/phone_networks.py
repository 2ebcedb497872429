"""How well whole networks on a public phone are predicted from its blocks and a few networks.

    python benchmarks/phone_networks.py --blocks CSV --shapes CSV --train CSV --test CSV \\
        --column 'pixel4|1large|float' --json
    python benchmarks/phone_networks.py --blocks CSV --shapes CSV --networks CSV [--column COLUMN]

The first fits on the networks of one file and scores another. The second draws 10 and 40 training networks --draws
times and leaves each out once, for one set of cores or for every set of the phone (all its columns of float times);
networks with under 5 % of their multiply-accumulates in dense k x k convolutions, of which the blocks hold none, are
also shown apart.

Not blind: the groups of kernels, their prior factors and all prior widths (network_sum.py) were set with the 82
networks of the public file in view. Only the factors that a run fits are free of its test networks.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from evit_nas.errors import EvitNasError
from evit_nas.latency.predictor.base import Floats
from evit_nas.latency.predictor.metrics import interval_coverage, mape, within
from evit_nas.latency.predictor.network_rows import (
    NetworkRows,
    float_columns,
    read_network_rows,
    read_shapes,
    threads_of,
)
from evit_nas.latency.predictor.network_sum import dense_share, fit_networks, kernel_costs
from evit_nas.latency.predictor.public_model import TermCosts
from evit_nas.latency.predictor.public_rows import read_public_rows

BLOCK_COLUMN, BLOCK_PHONE = "pixel4_ms", "pixel4"  # the one phone of which both blocks and networks are published
FEW_DENSE = 0.05


def figures(predicted: tuple[Floats, Floats, Floats], ms: Floats) -> dict[str, float | int]:
    """`mape` in percent, the rest fractions and a count."""
    centre, low, high = predicted
    return {
        "mape": round(mape(centre, ms), 3),
        "within_5": round(within(centre, ms, 0.05), 4),
        "within_10": round(within(centre, ms, 0.10), 4),
        "interval_coverage": round(interval_coverage(low, high, ms), 4),
        "rows": len(ms),
    }


def block_costs(path: Path) -> TermCosts:
    """Costs of kernels from the public blocks of SD855. Networks of another phone are scaled sums of the same."""
    return kernel_costs(read_public_rows(path, BLOCK_COLUMN))


def draws(
    costs: TermCosts, networks: NetworkRows, threads: int, count: int, times: int
) -> list[dict[str, float | int]]:
    """Figures over all networks and over those with few dense k x k, `count` drawn for training, `times` times."""
    rng = np.random.default_rng(0)
    few = np.array([dense_share(kernels) < FEW_DENSE for kernels in networks.kernels])
    gathered: list[list[Floats]] = [[], []]
    for turn in range(times):
        order = (
            rng.permutation(len(networks)) if count < len(networks) else np.roll(np.arange(len(networks)), -1 - turn)
        )
        training, rest = order[: min(count, len(order) - 1)], order[min(count, len(order) - 1) :]
        test = networks.take(rest)
        model = fit_networks(costs, networks.take(training), threads=threads)
        rows = np.stack([*model.predict(test.kernels), test.ms])
        gathered[0].append(rows)
        gathered[1].append(rows[:, few[rest]])
    joined = [np.concatenate(parts, axis=1) for parts in gathered]
    return [figures((part[0], part[1], part[2]), part[3]) for part in joined]


def show_draws(options: argparse.Namespace) -> None:
    """One line for each set of cores and number of training networks."""
    columns = [options.column] if options.column else float_columns(options.networks, (BLOCK_PHONE,))
    shapes, costs = read_shapes(options.shapes), block_costs(options.blocks)
    for column in columns:
        networks, threads = read_network_rows(options.networks, shapes, column), threads_of(column)
        for count, times in ((10, options.draws), (40, options.draws), (len(networks), len(networks))):
            every, few = draws(costs, networks, threads, count, times)
            line = f"{count} training networks: {json.dumps(every)}; few dense k x k: {json.dumps(few)}"
            print(f"{column}, {line}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("blocks", "shapes"):
        parser.add_argument(f"--{name}", type=Path, metavar="CSV", required=True)
    for name in ("train", "test", "networks"):
        parser.add_argument(f"--{name}", type=Path, metavar="CSV")
    parser.add_argument("--column", help="device|cores|type, for example 'pixel4|1large|float'")
    parser.add_argument("--draws", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    try:
        if options.networks is not None:
            show_draws(options)
            return
        if options.train is None or options.test is None or options.column is None:
            parser.error("give --train, --test and --column, or --networks")
        shapes = read_shapes(options.shapes)
        training, test = (read_network_rows(path, shapes, options.column) for path in (options.train, options.test))
        model = fit_networks(block_costs(options.blocks), training, threads=max(1, threads_of(options.column)))
        result = figures(model.predict(test.kernels), test.ms)
    except EvitNasError as error:
        parser.exit(error.exit_code, f"error: {error}\n")
    print(json.dumps(result) if options.json else "\n".join(f"{name}: {value}" for name, value in result.items()))


if __name__ == "__main__":
    main()
