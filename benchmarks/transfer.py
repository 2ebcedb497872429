"""A new phone from 10, 30 and 100 of its rows: chosen rows against random ones, and against two simpler ways.

    python benchmarks/transfer.py --blocks CSV [--source pixel4_ms] [--target xiaomi11_ms] [--kind all] [--repeats 30]

Each repetition draws half of the blocks as those that may be measured and is scored on the other half (at most 1,500).
`chosen` and `random` also know how the further phones differ from the source, unless `--alone`. `scale`: one factor.
`embedding`: HELP's protocol (Lee et al., NeurIPS 2021) without its network: the same random rows for every phone, the
new phone as a combination of the phones already known (ridge on their log times).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from evit_nas.errors import EvitNasError
from evit_nas.latency.predictor.base import Floats
from evit_nas.latency.predictor.metrics import interval_coverage, mape, within
from evit_nas.latency.predictor.public_rows import PublicRows, read_public_rows
from evit_nas.latency.predictor.transfer import Index, Source, choose_rows, read_source, transfer

COUNTS = (10, 30, 100)
KNOWN = ("pixel1_ms", "pixel4_ms", "pixel6_ms")
TEST_ROWS = 1500
WAYS = ("chosen", "random", "scale", "embedding")


def embedded(known: Floats, measured: Index, ms: Floats) -> Floats:
    """Milliseconds of every row from log times on the known phones, shape (phones, N), fitted on the measured rows."""
    centre = known[:, measured].mean(axis=1, keepdims=True)
    design = (known[:, measured] - centre).T
    prior = np.full(len(known), 1 / len(known))
    target = np.log(ms) - np.log(ms).mean() - design @ prior
    weights = prior + np.linalg.solve(design.T @ design + 0.1 * np.eye(len(known)), design.T @ target)
    return np.asarray(np.exp(np.log(ms).mean() + (known - centre).T @ weights), dtype=np.float64)


def predicted(way: str, source: Source, known: Floats, measured: Index, ms: Floats) -> tuple[Floats, Floats, Floats]:
    """Milliseconds and interval of every row; the simpler ways have no interval (nan)."""
    if way in ("chosen", "random"):
        found = transfer(source, measured, ms)
        return found.ms, found.low_ms, found.high_ms
    scaled = np.exp(source.log_ms + (np.log(ms) - source.log_ms[measured]).mean())
    centre = scaled if way == "scale" else embedded(known, measured, ms)
    return centre, np.full(len(centre), np.nan), np.full(len(centre), np.nan)


def compare(source: Source, known: Floats, target: Floats, repeats: int) -> dict[str, dict[str, float]]:
    """Figures by way and number of rows over all repetitions."""
    errors: dict[str, list[Floats]] = {f"{way} {count}": [] for count in COUNTS for way in WAYS}
    for seed in range(repeats):
        order = np.random.default_rng(seed).permutation(len(target))
        pool, test = order[: len(order) // 2], order[len(order) // 2 :][:TEST_ROWS]
        for count in COUNTS:
            best, drawn = choose_rows(source, count, pool=pool, seed=seed), pool[:count]
            for way in WAYS:
                measured = best if way == "chosen" else drawn
                rows = np.stack([*predicted(way, source, known, measured, target[measured]), target])
                errors[f"{way} {count}"].append(rows[:, test])
    return {name: _figures(np.concatenate(parts, axis=1)) for name, parts in errors.items()}


def _figures(rows: Floats) -> dict[str, float]:
    figures = {"mape": round(mape(rows[0], rows[3]), 3), "within_10": round(within(rows[0], rows[3], 0.10), 4)}
    if np.isfinite(rows[1]).all():
        figures["interval_coverage"] = round(interval_coverage(rows[1], rows[2], rows[3]), 4)
    return figures


def of_kind(rows: PublicRows, kind: str) -> PublicRows:
    return rows.take([i for i, block in enumerate(rows.blocks) if kind in ("all", block.block)])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=Path, required=True, metavar="CSV")
    parser.add_argument("--source", default="pixel4_ms", metavar="COLUMN")
    parser.add_argument("--target", default="xiaomi11_ms", metavar="COLUMN")
    parser.add_argument("--kind", default="conv", help="kind of blocks, or all")
    parser.add_argument("--alone", action="store_true", help="no other phone than the source is known")
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    try:
        phones = [name for name in KNOWN if name != options.target]
        known = np.log([of_kind(read_public_rows(options.blocks, name), options.kind).ms for name in phones])
        further = [] if options.alone else [name for name in phones if name != options.source]
        others = [of_kind(read_public_rows(options.blocks, name), options.kind) for name in further]
        source = read_source(of_kind(read_public_rows(options.blocks, options.source), options.kind), others)
        target = of_kind(read_public_rows(options.blocks, options.target), options.kind).ms
        figures = compare(source, known, target, options.repeats)
    except EvitNasError as error:
        sys.exit(f"error: {error}")
    print(json.dumps(figures) if options.json else "\n".join(f"{name}: {value}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
