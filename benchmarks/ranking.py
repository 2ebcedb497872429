"""How well cheap scores order networks as training each alone does.

Truth is the mean over seeds of the networks that `benchmarks/measured/run_queue.py` trained under the recipe with most
networks: on held-out training drives, the score that was fixed beforehand, and last on val. Sources: MACs, parameters,
the published axis of size, the course of training itself, zero-cost proxies (benchmarks/measured/zero_cost.py),
supernets (`evit-nas supernet score`, on the held-out drives too) and the ridge predictor of `--accuracy FILE.csv`, each
network predicted from the others. For all networks, and for the largest group within 5 % of one number of MACs:
Kendall's tau with a 90 % bootstrap interval over networks, the share of bootstrap draws above MACs, the hours that a
further network costs by that source, and the ceiling (tau between seeds). Prints JSON.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from measured.networks import HELD_OUT, VAL, Floats, Network, inputs, read_networks
from measured.tau import above, tau
from numpy.typing import NDArray

from evit_nas.accuracy.estimator.measured import MIN_NETWORKS, MeasuredEstimator
from evit_nas.accuracy.estimator.members import Member, Members, read_lines, same_network
from evit_nas.accuracy.estimator.published import PublishedEstimator

BAND = 0.05
FEWEST = 5  # networks that a tau is worth printing for


@dataclass(frozen=True, kw_only=True)
class Score:
    """`values` (N,), NaN where a network has none; `hours`: of the clock, for one network more."""

    values: Floats
    hours: float = 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, default=Path("reports/measured/idd-lite.csv"))
    parser.add_argument("--supernet", type=Path, action="append", default=[], help="a table of `supernet score`")
    parser.add_argument("--proxies", type=Path, default=Path("reports/measured/zero-cost.csv"))
    arguments = parser.parse_args()
    if not arguments.table.is_file():
        print(json.dumps({"networks": 0, "missing": str(arguments.table)}))
        return
    networks = read_networks(arguments.table)
    sources = cheap_sources(networks)
    for table in [arguments.proxies, *arguments.supernet]:
        sources |= read_scores(table, networks) if table.is_file() else {}
    groups = {"all": np.arange(len(networks)), "equal MACs": equal_macs(networks)}
    figures = {
        truth: {name: compared(networks, sources, truth, group) for name, group in groups.items()}
        for truth in (HELD_OUT, VAL)
    }
    print(json.dumps({"networks": len(networks), **figures}, indent=1))


def cheap_sources(networks: list[Network]) -> dict[str, Score]:
    """What needs nothing but the table."""
    found = {name: Score(values=np.array([n.mean(name) for n in networks])) for name in ("macs", "params")}
    published = PublishedEstimator()
    terms = np.array([published.terms(network.blocks) for network in networks])
    found["published axis"] = Score(values=published.position(terms, inputs(networks)))
    hours = np.mean([n.mean("hours") / n.mean("epochs") for n in networks])
    lines = [line for network in networks for line in network.lines]
    for epoch in sorted({int(part.split(":")[0]) for line in lines for part in line.cells["curve"].split()}):
        found[f"epoch {epoch}"] = Score(values=np.array([n.after(epoch) for n in networks]), hours=float(hours * epoch))
    return found


def read_scores(table: Path, networks: list[Network]) -> dict[str, Score]:
    """Other tables: of proxies (arch_hash and a column for each), or of a supernet's members."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if "miou" in rows[0]:
        scored = {same_network(line.arch): line.value for line in read_lines(table)[1]}
        values = np.array([scored.get(network.arch, np.nan) for network in networks])
        return {f"supernet {table.stem}": Score(values=values, hours=float(np.mean([float(r["hours"]) for r in rows])))}
    by_hash = {row["arch_hash"]: row for row in rows}
    own = [by_hash.get(network.lines[0].cells["arch_hash"], {}) for network in networks]
    hours = float(np.mean([float(row["seconds"]) for row in rows])) / 3600
    return {
        name: Score(values=np.array([float(row.get(name, "nan")) for row in own]), hours=hours)
        for name in rows[0]
        if name not in ("arch_hash", "seconds")
    }


def equal_macs(networks: list[Network]) -> NDArray[np.int64]:
    """Places of the largest group within BAND of one number of MACs."""
    macs = np.array([network.mean("macs") for network in networks])
    near = np.abs(macs[None] / macs[:, None] - 1) <= BAND
    return np.flatnonzero(near[near.sum(axis=1).argmax()])


def compared(
    networks: list[Network], sources: Mapping[str, Score], truth: str, group: NDArray[np.int64]
) -> dict[str, object]:
    chosen = [networks[place] for place in group]
    values = np.array([network.mean(truth) for network in chosen])
    found: dict[str, object] = {}
    for name, score in {**sources, **predictor(networks, truth)}.items():
        own, macs = score.values[group], sources["macs"].values[group]
        kept = np.isfinite(own)
        if kept.sum() >= FEWEST and np.ptp(own[kept]) > 0:
            result, base = tau(own[kept], values[kept]), tau(macs[kept], values[kept])
            found[name] = {
                "tau": result.shown(),
                "above_macs": round(above(result, base), 3),
                "networks": int(kept.sum()),
                "hours": round(score.hours, 4),
            }
    return {"networks": len(chosen), "ceiling": ceiling(chosen, truth), "sources": found}


def predictor(networks: list[Network], truth: str) -> dict[str, Score]:
    """The measured source with each network left out, where there are enough."""
    if len(networks) <= MIN_NETWORKS:
        return {}
    rows = [
        Member(arch=n.arch, resolution=n.lines[0].resolution, value=n.mean(truth), seeds=len(n.lines)) for n in networks
    ]
    estimator = MeasuredEstimator(Members(metric="miou", rows=tuple(rows)), name="stand-alone")
    return {"predictor, left out": Score(values=estimator.left_out)}


def ceiling(networks: list[Network], truth: str) -> dict[str, object]:
    """tau between each two seeds, over the networks that have both; `noise`: points that a seed scatters."""
    pairs: dict[str, object] = {}
    for a, b in combinations(sorted({seed for network in networks for seed in network.seeds(truth)}), 2):
        both = [own for own in (network.seeds(truth) for network in networks) if a in own and b in own]
        if len(both) >= FEWEST:
            first, second = (np.array([own[seed] for own in both]) for seed in (a, b))
            spread = float(np.std(first - second - np.mean(first - second)) / np.sqrt(2))
            shown = tau(first, second).shown()
            pairs[f"seeds {a} and {b}"] = {"tau": shown, "networks": len(both), "noise": round(spread, 3)}
    return pairs


if __name__ == "__main__":
    main()
