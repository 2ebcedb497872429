"""Table 3 of the paper on other data: B0 with and without multi-scale and attention, at equal MACs.

Reads the lines that `benchmarks/measured/run_queue.py` wrote (networks: benchmarks/measured/ablation.py). For each
data set and recipe: the mIoU of the four networks, mean over seeds, and what each loses against the full one, in pairs
of one seed (one order of the data), with a 90 % interval by Student's t; beside them the published ones, and what share
of them is seen here. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from scipy import stats

from evit_nas.accuracy.estimator.anchors import read_ablation
from evit_nas.accuracy.estimator.members import MeasuredLine, read_lines

NAMES = {(True, True): "ms1-ga1", (True, False): "ms1-ga0", (False, True): "ms0-ga1", (False, False): "ms0-ga0"}
FULL = "ms1-ga1"
SCORES = ("miou", "held_out_miou")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, default=Path("reports/measured"))
    arguments = parser.parse_args()
    published = {NAMES[key]: value for key, value in read_ablation().items()}
    figures: dict[str, object] = {"published": {"miou": published, "loss": losses_of(published)}}
    for dataset in ("idd-lite", "camvid"):
        table = arguments.tables / f"{dataset}.csv"
        if table.is_file():
            figures[dataset] = by_recipe(read_lines(table)[1], losses_of(published))
    print(json.dumps(figures, indent=1))


def losses_of(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(values[FULL] - value, 2) for name, value in values.items() if name != FULL}


def by_recipe(lines: list[MeasuredLine], published: Mapping[str, float]) -> dict[str, object]:
    """Figures of each recipe that has lines of the four networks."""
    recipes: dict[str, list[MeasuredLine]] = defaultdict(list)
    for line in lines:
        if line.cells.get("tag") == "table3":
            recipes[f"{line.cells['epochs']} epochs at {line.cells['resolution']}, {line.recipe}"].append(line)
    return {
        recipe: {score: compared(by_seed(own, score), published) for score in SCORES} for recipe, own in recipes.items()
    }


def by_seed(lines: list[MeasuredLine], score: str) -> dict[str, dict[int, float]]:
    """Network -> seed -> percent."""
    found: dict[str, dict[int, float]] = {name: {} for name in NAMES.values()}
    for line in lines:
        (name,) = (name for name in found if f"-{name}-" in line.cells["job"])
        found[name][int(line.cells["seed"])] = float(line.cells[score])
    return found


def compared(values: Mapping[str, Mapping[int, float]], published: Mapping[str, float]) -> dict[str, object]:
    """Means over seeds, and losses against the full network with their intervals (None with fewer than two pairs) and
    as a share of the published ones."""
    means = {name: round(float(np.mean(list(own.values()))), 2) for name, own in values.items() if own}
    losses = {}
    for name, own in values.items():
        pairs = [values[FULL][seed] - own[seed] for seed in sorted(own.keys() & values[FULL].keys())]
        if name != FULL and pairs:
            mean = float(np.mean(pairs))
            losses[name] = {
                "mean": round(mean, 2),
                "interval": interval(pairs),
                "pairs": len(pairs),
                "carried_over": round(mean / published[name], 2),
            }
    order = sorted(means, key=lambda name: -means[name])
    return {"miou": means, "loss": losses, "order": order, "seeds": {name: sorted(own) for name, own in values.items()}}


def interval(pairs: list[float]) -> list[float] | None:
    """90 % by Student's t."""
    if len(pairs) < 2:
        return None
    half = stats.t.ppf(0.95, len(pairs) - 1) * np.std(pairs, ddof=1) / np.sqrt(len(pairs))
    return [round(float(np.mean(pairs) - half), 2), round(float(np.mean(pairs) + half), 2)]


if __name__ == "__main__":
    main()
