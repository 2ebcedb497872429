"""Five ways to predict the latency of a network on this machine, compared on networks that none of them has seen.

    python benchmarks/predictor_comparison.py [--tables DIR] [--timings FILE] [--share X] [--out DIR]

Fits each on the same table and its networks, judges all on the timings of host_networks.py (time them first), prints
the comparison as JSON and writes it to DIR (reports/predictors) as comparison.csv, README.md and a figure:

- macs: a power law of MACs, fitted on the table's networks;
- table: each kernel's own row, or that of the nearest measured kernel of its kind, summed; no correction;
- boosting: gradient boosting on features of the whole network (MACs, bytes and kernels by kind);
- forest: nn-Meter's way, a random forest per kind of kernel on its shape, summed (arXiv 2105.06764, section 4.2);
- additive: the tool's own: rows as measured, a monotone regression for the rest, a correction for whole networks.

The best in mean absolute error is what the tool predicts with.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from host_networks import TIMINGS, load_timed
from network_predictors import boosting, forest, macs_alone, table_alone

from evit_nas.files import write_text
from evit_nas.graph.emit import emit
from evit_nas.graph.fuse import fuse
from evit_nas.graph.kernel import KernelGraph
from evit_nas.latency.predictor.base import Floats
from evit_nas.latency.predictor.fit import fit_predictor
from evit_nas.latency.predictor.metrics import mape, pair_accuracy, spearman, within
from evit_nas.latency.profiler.fingerprint import host_fingerprint
from evit_nas.latency.table.find import find_table
from evit_nas.latency.table.networks import load_networks
from evit_nas.latency.table.store import load_table

OUT = Path("reports/predictors")
COLUMNS = ("predictor", "mape", "within_5", "within_10", "worst_percent", "spearman", "pairs_in_order")


def predictions(path: Path, graphs: Sequence[KernelGraph], macs: Floats) -> dict[str, Floats]:
    """Milliseconds of each network by each predictor."""
    table, networks = load_table(path), load_networks(path)
    known = [fuse(emit(network.arch, network.resolution)) for network in networks]
    known_ms = np.array([network.latency_ms for network in networks])
    own = fit_predictor(table, networks)
    ways: dict[str, Callable[[], Floats]] = {
        "macs": lambda: macs_alone(networks, macs),
        "table": lambda: table_alone(table.rows, graphs),
        "boosting": lambda: boosting(known, known_ms, graphs),
        "forest": lambda: forest(table.rows, graphs),
        "additive": lambda: np.array([own.predict(graph).latency_ms for graph in graphs]),
    }
    return {name: way() for name, way in ways.items()}


def row(name: str, latency: Floats, measured: Floats, macs: Floats) -> dict[str, float | str]:
    return {
        "predictor": name,
        "mape": round(mape(latency, measured), 2),
        "within_5": round(within(latency, measured, 0.05), 4),
        "within_10": round(within(latency, measured, 0.10), 4),
        "worst_percent": round(float(100 * np.abs(latency / measured - 1).max()), 1),
        "spearman": round(spearman(latency, measured), 4),
        "pairs_in_order": round(pair_accuracy(latency, measured, macs), 4),
    }


def write_report(
    folder: Path, rows: Sequence[dict[str, float | str]], found: dict[str, Floats], measured: Floats
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(folder / "comparison.csv", text.getvalue())
    lines = [
        "# Predictors of the host's latency, compared",
        "",
        f"{len(measured)} networks of the default space that no predictor was fitted on. Rebuilt by",
        "`python benchmarks/predictor_comparison.py`; what each row is stands in that script.",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|" + "---|" * len(COLUMNS),
        *("| " + " | ".join(str(item[name]) for name in COLUMNS) + " |" for item in rows),
        "",
        "![error of each predictor by latency](figure.png)",
    ]
    write_text(folder / "README.md", "\n".join(lines) + "\n")
    _figure(folder, found, measured)


def _figure(folder: Path, found: dict[str, Floats], measured: Floats) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(found), figsize=(3 * len(found), 3.2), sharey=True, layout="constrained")
    for axis, (name, latency) in zip(axes, found.items(), strict=True):
        axis.scatter(measured, 100 * (latency / measured - 1), s=6)
        axis.axhspan(-5, 5, color="0.9", zorder=0)
        axis.set(title=name, xscale="log", xlabel="measured ms", ylim=(-40, 40))
    axes[0].set_ylabel("error, %")
    for suffix in ("png", "svg"):
        figure.savefig(folder / f"figure.{suffix}", dpi=150)
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path)
    parser.add_argument("--timings", type=Path, default=TIMINGS)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    path = find_table(host_fingerprint(), options.tables)
    timed = load_timed(options.timings, path, options.share)
    measured = np.median(timed.at_table_speed_ms, axis=0)
    graphs = [fuse(emit(member.arch, member.resolution)) for member in timed.members]
    found = predictions(path, graphs, timed.macs)
    rows = [row(name, latency, measured, timed.macs) for name, latency in found.items()]
    write_report(options.out, rows, found, measured)
    print(json.dumps({"networks": len(measured), "rows": rows, "report": str(options.out)}, indent=2))


if __name__ == "__main__":
    main()
