"""How near the host predictor comes to networks that it has never seen.

    python benchmarks/host_accuracy.py [--tables DIR] [--timings FILE] [--seconds S] [--share X]

First times the networks of host_networks.py that FILE lacks (half an hour for all of them; started again it goes on;
`--share 0.2` takes the first fifth of every group), then prints figures as JSON: MAPE, within 5 and 10 %, Spearman,
share of 90 % intervals that hold, for all networks, by group, by bin of MACs and by third of coverage; the order of
pairs of nearly equal MACs; how well the first timing of a network predicts its second; and how much of the time of
members drawn uniformly from the whole space lies outside of what was measured.

A time is the median of three timings, brought to the speed that the machine had when the table was measured: by
the median ratio of networks of the table timed again beside the others, and by half of the move of the reference model
at each timing. `as_timed` has the figures without that, which is what the interval is for: it holds the machine's drift
(`speed`: times its former time).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from host_networks import TIMINGS, load_timed, networks_to_time, time_networks
from numpy.typing import NDArray

from evit_nas.graph.cost import arch_macs
from evit_nas.graph.emit import emit
from evit_nas.graph.fuse import fuse
from evit_nas.latency.predictor.base import Floats, LatencyPrediction, LatencyPredictor
from evit_nas.latency.predictor.fit import fit_predictor
from evit_nas.latency.predictor.metrics import interval_coverage, mape, pair_accuracy, spearman, within
from evit_nas.latency.profiler.fingerprint import host_fingerprint
from evit_nas.latency.table.find import find_table
from evit_nas.latency.table.networks import load_networks
from evit_nas.latency.table.store import load_table
from evit_nas.space.dimension import Candidate
from evit_nas.space.space import load_space

BINS = 10
UNIFORM_MEMBERS, UNIFORM_SEED = 300, 11

Chosen = NDArray[np.bool_]


def predicted(predictor: LatencyPredictor, members: Sequence[Candidate]) -> list[LatencyPrediction]:
    return [predictor.predict(fuse(emit(member.arch, member.resolution))) for member in members]


def errors(latency: Floats, measured: Floats, low: Floats, high: Floats) -> dict[str, float]:
    return {
        "networks": len(measured),
        "mape": mape(latency, measured),
        "bias_percent": float(100 * np.median(latency / measured - 1)),
        "within_5": within(latency, measured, 0.05),
        "within_10": within(latency, measured, 0.10),
        "interval_coverage": interval_coverage(low, high, measured),
        "interval_half_width_percent": float(50 * np.median((high - low) / latency)),
    }


def figures(tables: Path | None, timings: Path, share: float) -> dict[str, object]:
    """What the benchmark claims."""
    path = find_table(host_fingerprint(), tables)
    table, known = load_table(path), load_networks(path)
    predictor, timed = fit_predictor(table, known), load_timed(timings, path, share)
    found = predicted(predictor, timed.members)
    latency, low, high = (np.array([getattr(p, f"{part}_ms") for p in found]) for part in ("latency", "low", "high"))
    first, second = timed.at_table_speed_ms[:2]
    measured, as_timed = np.median(timed.at_table_speed_ms, axis=0), np.median(timed.latency_ms, axis=0)
    macs = timed.macs

    def of(chosen: Chosen) -> dict[str, float]:
        return errors(latency[chosen], measured[chosen], low[chosen], high[chosen])

    every, groups = np.ones(len(macs), dtype=bool), np.array([group for group, _ in timed.keys])
    return {
        "table": table.hash,
        "rows": len(table.rows),
        "table_networks": len(known),
        "all": of(every),
        "spearman": spearman(latency, measured),
        "pairs_in_order": pair_accuracy(latency, measured, macs),
        "pairs_in_order_by_first_timing": pair_accuracy(first, second, macs),
        "repetition": {"mape": mape(second, first), "within_5": within(second, first, 0.05)},
        "speed": timed.speed,
        "as_timed": errors(latency, as_timed, low, high),
        "groups": {str(group): of(groups == group) for group in dict.fromkeys(groups.tolist())},
        "bins": {name: of(chosen) for name, chosen in _bins(macs, groups == "default").items()},
        "by_coverage": {name: of(chosen) for name, chosen in _thirds(found).items()},
        "macs_alone": _macs_alone(macs, [(arch_macs(n.arch, n.resolution), n.latency_ms) for n in known], measured),
        "extrapolated": extrapolated_share(predictor),
    }


def _bins(macs: Floats, chosen: Chosen) -> dict[str, Chosen]:
    """The chosen networks by log MACs."""
    edges = np.geomspace(macs[chosen].min(), macs[chosen].max() * 1.000001, BINS + 1)
    parts = {f"{a / 1e9:.2f}-{b / 1e9:.2f} G": chosen & (macs >= a) & (macs < b) for a, b in pairwise(edges)}
    return {name: part for name, part in parts.items() if part.any()}


def _thirds(found: Sequence[LatencyPrediction]) -> dict[str, Chosen]:
    """By the measured share of the predicted time, least first."""
    measured = np.array([p.coverage.measured for p in found])
    edges = np.quantile(measured, [1 / 3, 2 / 3])
    third = np.digitize(measured, edges)
    return {
        f"measured {measured[third == i].min():.0%} to {measured[third == i].max():.0%}": third == i
        for i in np.unique(third)
    }


def _macs_alone(macs: Floats, known: Sequence[tuple[int, float]], measured: Floats) -> dict[str, float]:
    """A power law of MACs, fitted on the networks of the table."""
    x, y = np.log(np.array(known)).T
    slope, intercept = np.polyfit(x, y, 1)
    guess = np.exp(slope * np.log(macs) + intercept)
    return {"mape": mape(guess, measured), "within_10": within(guess, measured, 0.10)}


def extrapolated_share(predictor: LatencyPredictor) -> dict[str, float]:
    """Of members that are drawn uniformly from the whole space, without any limit of size."""
    members = load_space("efficientvit-seg").sample(UNIFORM_SEED, UNIFORM_MEMBERS)
    shares = np.array([p.coverage.extrapolated for p in predicted(predictor, members)])
    return {
        "mean": float(shares.mean()),
        "max": float(shares.max()),
        "members_above_1_percent": float((shares > 0.01).mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path)
    parser.add_argument("--timings", type=Path, default=TIMINGS)
    parser.add_argument("--seconds", type=float, default=2100.0)
    parser.add_argument("--share", type=float, default=1.0)
    options = parser.parse_args()
    left = time_networks(networks_to_time(options.share), options.timings, options.seconds)
    if left:
        print(f"{left} timings left; start again to go on")
        return
    print(json.dumps(figures(options.tables, options.timings, options.share), indent=2))


if __name__ == "__main__":
    main()
