"""Candidates scored a second on one core: latency, MACs, parameters and accuracy, in batches.

The population is drawn uniformly from the default space restricted to what its accuracy source has evidence on (what a
search scores) or, with --whole, from the whole space. `cold` starts with nothing built; `build_s` is the time of that
population and of the next ones (--build in all), in which nearly every combination of choices occurs and is built;
`warm` scores further populations. The figure of a long search lies between `cold` and `warm`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time

from evit_nas.accuracy.estimator.sources import default_source, open_source
from evit_nas.space.space import load_space
from evit_nas.workflows.candidates import resolve_lowering
from evit_nas.workflows.latency import open_device
from evit_nas.workflows.scoring import PopulationScorer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--population", type=int, default=20_000)
    parser.add_argument("--build", type=int, default=4, help="populations before the warm ones")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--space", default="efficientvit-seg")
    parser.add_argument("--device", default="sm8450")
    parser.add_argument("--whole", action="store_true", help="the whole space, not what the accuracy source frees")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    space = load_space(arguments.space)
    estimator = open_source(default_source(space.spec.task), space.spec.task)
    if not arguments.whole:
        space = space.restrict(estimator.evidence)
    model = open_device(arguments.device)
    lowering = resolve_lowering(None, default=model.table.conditions.lowering)
    scorer = PopulationScorer(space, model.predictor, estimator, lowering)
    seconds = []
    for repeat in range(arguments.build + arguments.repeats):
        rows = space.sample_rows(repeat, arguments.population)
        started = time.perf_counter()
        scorer.score(rows)
        seconds.append(time.perf_counter() - started)
    rates = [arguments.population / taken for taken in seconds]
    warm = rates[arguments.build :]
    print(
        json.dumps(
            {
                "population": arguments.population,
                "cold_per_second": round(rates[0]),
                "build_s": round(sum(seconds[: arguments.build]), 1),
                "warm_per_second": round(statistics.median(warm)),
                "warm_range": [round(min(warm)), round(max(warm))],
            }
        )
    )


if __name__ == "__main__":
    main()
