"""How well cheap scores order networks as training each alone does.

Truth is the mean over seeds of the networks that `benchmarks/measured/run_queue.py` trained under the recipe with most
networks: on held-out training drives, and on val. Sources: MACs, parameters, the published axis of size, the course of
training itself, zero-cost proxies (benchmarks/measured/zero_cost.py), supernets (`evit-nas supernet score`)
and the ridge predictor of `--accuracy FILE.csv`, each network predicted from the others. For all networks, and for the
largest group within 5 % of one number of MACs: Kendall's tau with a 90 % bootstrap interval over networks, the ceiling
(tau between seeds), and the share of bootstrap draws above MACs.
Then each dimension's effect at equal MACs with its 90 % interval. Prints JSON.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from measured.tau import above, tau
from numpy.typing import NDArray

from evit_nas.accuracy.estimator.description import FEATURES, features, network_terms
from evit_nas.accuracy.estimator.effects import Z90, fit_effects
from evit_nas.accuracy.estimator.measured import MeasuredEstimator
from evit_nas.accuracy.estimator.members import MeasuredLine, Member, Members, read_lines, same_network
from evit_nas.accuracy.estimator.published import PublishedEstimator
from evit_nas.graph.blocks import layout
from evit_nas.space.arch import ArchConfig

Floats = NDArray[np.float64]
TRUTHS = ("held_out_miou", "miou")
BAND = 0.05


@dataclass(frozen=True, kw_only=True)
class Network:
    """One network with the lines of its seeds."""

    arch: ArchConfig
    lines: tuple[MeasuredLine, ...]

    def mean(self, column: str) -> float:
        return float(np.mean([float(line.cells[column]) for line in self.lines]))

    def seeds(self, column: str) -> dict[int, float]:
        return {int(line.cells["seed"]): float(line.cells[column]) for line in self.lines}

    def after(self, epoch: int) -> float:
        """The score of the training itself after `epoch`, mean over seeds."""
        curves = [dict(part.split(":") for part in line.cells["curve"].split()) for line in self.lines]
        return float(np.mean([float(curve[str(epoch)]) for curve in curves]))


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
        truth: {name: compared(networks, sources, truth, group) for name, group in groups.items()} for truth in TRUTHS
    }
    found = {"networks": len(networks), "family": family(networks), **figures, "effects": effects(networks)}
    print(json.dumps(found, indent=1))


def read_networks(table: Path) -> list[Network]:
    """Networks of the recipe with most of them."""
    recipes: dict[str, dict[ArchConfig, list[MeasuredLine]]] = defaultdict(lambda: defaultdict(list))
    for line in read_lines(table)[1]:
        recipes[line.recipe][same_network(line.arch)].append(line)
    return [Network(arch=arch, lines=tuple(own)) for arch, own in max(recipes.values(), key=len).items()]


def family(networks: list[Network]) -> dict[str, float]:
    """val mIoU of B0 to B3 (and the smallest member): are they in the published order?"""
    named = {Path(network.lines[0].cells["arch"]).stem: network.mean("miou") for network in networks}
    return {name: round(named[name], 2) for name in ("smallest", "b0", "b1", "b2", "b3") if name in named}


def cheap_sources(networks: list[Network]) -> dict[str, Floats]:
    """Scores (N,) by name that need nothing but the table."""
    found = {name: np.array([network.mean(name) for network in networks]) for name in ("macs", "params")}
    found["published axis"] = published_axis(networks)
    epochs = {
        part.split(":")[0] for network in networks for line in network.lines for part in line.cells["curve"].split()
    }
    for epoch in sorted(map(int, epochs)):
        found[f"epoch {epoch}"] = np.array([network.after(epoch) for network in networks])
    return found


def published_axis(networks: list[Network]) -> Floats:
    """Where networks stand between B0 and B3; the published rows say nothing of inputs this small."""
    published = PublishedEstimator()
    inputs = np.array([network.lines[0].resolution for network in networks], dtype=np.float64)
    layouts = [[p.block for p in layout(n.arch, n.lines[0].resolution)] for n in networks]
    return published.position(np.array([published.terms(blocks) for blocks in layouts]), inputs)


def read_scores(table: Path, networks: list[Network]) -> dict[str, Floats]:
    """Other tables: of proxies (arch_hash and a column for each), or of a supernet's members. NaN where one lacks."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    hashes = [network.lines[0].cells["arch_hash"] for network in networks]
    if "miou" in rows[0]:
        scored = {same_network(line.arch): line.value for line in read_lines(table)[1]}
        return {f"supernet {table.stem}": np.array([scored.get(network.arch, np.nan) for network in networks])}
    by_hash = {row["arch_hash"]: row for row in rows}
    columns = [name for name in rows[0] if name not in ("arch_hash", "seconds")]
    return {
        name: np.array([float(by_hash[own][name]) if own in by_hash else np.nan for own in hashes]) for name in columns
    }


def equal_macs(networks: list[Network]) -> NDArray[np.int64]:
    """Places of the largest group within BAND of one number of MACs."""
    macs = np.array([network.mean("macs") for network in networks])
    near = np.abs(macs[None] / macs[:, None] - 1) <= BAND
    return np.flatnonzero(near[near.sum(axis=1).argmax()])


def compared(
    networks: list[Network], sources: Mapping[str, Floats], truth: str, group: NDArray[np.int64]
) -> dict[str, object]:
    chosen = [networks[place] for place in group]
    values = np.array([network.mean(truth) for network in chosen])
    predicted = MeasuredEstimator(members(networks, truth), name="stand-alone").left_out
    scores = {**sources, "predictor, left out": predicted}
    macs = tau(scores["macs"][group], values)
    found: dict[str, object] = {}
    for name, score in scores.items():
        own = score[group]
        kept = np.isfinite(own)
        if kept.sum() >= 5 and np.ptp(own[kept]) > 0:
            result = tau(own[kept], values[kept])
            base = macs if kept.all() else tau(scores["macs"][group][kept], values[kept])
            found[name] = {
                "tau": result.shown(),
                "above_macs": round(above(result, base), 3),
                "networks": int(kept.sum()),
            }
    return {"networks": len(chosen), "ceiling": ceiling(chosen, truth), "sources": found}


def ceiling(networks: list[Network], truth: str) -> dict[str, object]:
    """tau between the first two seeds, and between further pairs, of the networks that have them."""
    pairs: dict[str, object] = {}
    for a, b in combinations(sorted({seed for network in networks for seed in network.seeds(truth)}), 2):
        both = [own for own in (network.seeds(truth) for network in networks) if a in own and b in own]
        if len(both) >= 5:
            first, second = (np.array([own[seed] for own in both]) for seed in (a, b))
            spread = float(np.std(first - second - np.mean(first - second)) / np.sqrt(2))
            shown = tau(first, second).shown()
            pairs[f"seeds {a} and {b}"] = {"tau": shown, "networks": len(both), "noise": round(spread, 3)}
    return pairs


def members(networks: list[Network], truth: str) -> Members:
    rows = [
        Member(arch=n.arch, resolution=n.lines[0].resolution, value=n.mean(truth), seeds=len(n.lines)) for n in networks
    ]
    return Members(metric="miou", rows=tuple(rows))


def effects(networks: list[Network]) -> dict[str, object]:
    """Points of val mIoU for one unit of each feature (description.py) at equal MACs, with a 90 % interval."""
    inputs = np.array([network.lines[0].resolution for network in networks], dtype=np.float64)
    layouts = [layout(network.arch, network.lines[0].resolution) for network in networks]
    seen = features(np.array([network_terms([placed.block for placed in own]) for own in layouts]), inputs)
    macs = np.log([network.mean("macs") for network in networks])
    values = np.array([network.mean("miou") for network in networks])
    seeds = np.array([len(network.lines) for network in networks], dtype=np.float64)
    names = [name for name in FEATURES if name != "MACs a pixel"]
    seen = seen[:, [FEATURES.index(name) for name in names]]
    fit = fit_effects(names, seen, np.stack([macs, macs**2], axis=1), values, seeds)
    half = Z90 * np.sqrt(np.diag(fit.covariance))
    rows = {
        name: [round(mean, 2), round(mean - width, 2), round(mean + width, 2)]
        for name, mean, width, varied in zip(fit.names, fit.mean.tolist(), half.tolist(), fit.varied, strict=True)
        if varied
    }
    return {"noise": round(fit.noise, 3), "points": rows}


if __name__ == "__main__":
    main()
