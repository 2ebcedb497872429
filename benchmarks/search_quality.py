"""What the search finds at equal evaluations: NSGA-II by size of population, and uniform members as the floor.

    python benchmarks/search_quality.py [--budget MS] [--trials N] [--seeds N] [--device sm8450]

All start from the same official networks. For each method the mean and range over seeds of the best lower bound of
mIoU within the budget, and of the hypervolume of (lower bound of mIoU up, GMACs down, milliseconds down) within it.
"""

from __future__ import annotations

import argparse
import json
import statistics

import numpy as np

from evit_nas.accuracy.estimator.sources import default_source, open_source
from evit_nas.search.objective import Rows, Scores
from evit_nas.search.pareto import hypervolume, objectives
from evit_nas.search.seeds import seed_rows
from evit_nas.search.study import run_study
from evit_nas.space.space import load_space
from evit_nas.workflows.candidates import resolve_lowering
from evit_nas.workflows.latency import open_device
from evit_nas.workflows.scoring import PopulationScorer

POPULATIONS = (20, 50, 100)
WORST_MIOU, WORST_GMACS = 40.0, 10.0  # beyond these a network adds nothing to the hypervolume


def figures(scores: Scores, budget_ms: float) -> tuple[float, float]:
    """Best lower bound within the budget, and the hypervolume."""
    within = np.flatnonzero(scores.latency_ms <= budget_ms)
    points = objectives(scores.take(within)) / np.array([1.0, 1e9, 1.0])
    reference = np.array([-WORST_MIOU, WORST_GMACS, budget_ms])
    return float(-points[:, 0].min()), hypervolume(points, reference) / (WORST_GMACS * budget_ms)


def summary(found: list[tuple[float, float]]) -> dict[str, object]:
    low, volume = ([round(value, 3) for value in column] for column in zip(*found, strict=True))
    return {
        "best_low": statistics.mean(low),
        "best_low_range": [min(low), max(low)],
        "hypervolume": statistics.mean(volume),
        "hypervolume_range": [min(volume), max(volume)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=float, default=200.0, help="milliseconds")
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--device", default="sm8450")
    arguments = parser.parse_args()

    space = load_space("efficientvit-seg")
    estimator = open_source(default_source(space.spec.task), space.spec.task)
    space = space.restrict(estimator.evidence)
    model = open_device(arguments.device)
    lowering = resolve_lowering(None, default=model.table.conditions.lowering)
    scorer = PopulationScorer(space, model.predictor, estimator, lowering)
    official = seed_rows(space, scorer.score, arguments.budget)

    def searched(seed: int, population: int) -> Scores:
        return run_study(
            space,
            scorer.score,
            budget_ms=arguments.budget,
            trials=arguments.trials,
            seed=seed,
            seeds=official,
            population=population,
        ).scores

    def uniform(seed: int) -> Scores:
        rows: Rows = np.concatenate([official, space.sample_rows(seed, arguments.trials - len(official))])
        return scorer.score(rows)

    seeds = range(arguments.seeds)
    found = {"uniform": [figures(uniform(seed), arguments.budget) for seed in seeds]}
    for population in POPULATIONS:
        found[f"population {population}"] = [figures(searched(seed, population), arguments.budget) for seed in seeds]
    print(json.dumps({method: summary(values) for method, values in found.items()}, indent=2))


if __name__ == "__main__":
    main()
