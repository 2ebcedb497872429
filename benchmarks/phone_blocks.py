"""How well blocks of a public phone are predicted that the model has not seen.

    python benchmarks/phone_blocks.py --train CSV --test CSV --device pixel4_ms --json
    python benchmarks/phone_blocks.py --split CSV --share 0.5 --by family --out DIR [--seed 0]

The first fits on one file of blocks and scores another. The second cuts a file into DIR/train.csv and DIR/test.csv, by
rows or by whole shape families (kind, input side and channels).
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np

from evit_nas.errors import EvitNasError, InputError
from evit_nas.latency.predictor.metrics import interval_coverage, mape, within
from evit_nas.latency.predictor.public_model import fit_blocks
from evit_nas.latency.predictor.public_rows import read_public_rows


def score(train: Path, test: Path, device: str) -> dict[str, float | int]:
    """Figures on `test` of a model fitted on `train`: `mape` in percent, the rest fractions and a count."""
    model = fit_blocks(read_public_rows(train, device))
    rows = read_public_rows(test, device)
    ms, low, high = model.predict(rows.blocks)
    return {
        "mape": round(mape(ms, rows.ms), 3),
        "within_5": round(within(ms, rows.ms, 0.05), 4),
        "within_10": round(within(ms, rows.ms, 0.10), 4),
        "interval_coverage": round(interval_coverage(low, high, rows.ms), 4),
        "rows": len(rows),
    }


def split(source: Path, share: float, by: str, out: Path, seed: int) -> None:
    """Write DIR/train.csv with about `share` of the rows and DIR/test.csv with the others."""
    try:
        with source.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            header, records = list(reader.fieldnames or ()), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{source}: not a readable CSV ({error})") from None
    for name in ("block", "hw_in", "cin"):
        if name not in header:
            raise InputError(f"{source}: no column {name!r}")
    groups = [
        f"{row['block']} {row['hw_in']} {row['cin']}" if by == "family" else str(i) for i, row in enumerate(records)
    ]
    names = np.random.default_rng(seed).permutation(sorted(set(groups)))
    training = set(names[: max(1, round(share * len(names)))].tolist())
    out.mkdir(parents=True, exist_ok=True)
    for name, wanted in (("train", True), ("test", False)):
        with (out / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, header, lineterminator="\n")
            writer.writeheader()
            writer.writerows(row for row, group in zip(records, groups, strict=True) if (group in training) == wanted)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, metavar="CSV")
    parser.add_argument("--test", type=Path, metavar="CSV")
    parser.add_argument("--device", metavar="COLUMN", help="for example pixel4_ms")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--split", type=Path, metavar="CSV")
    parser.add_argument("--share", type=float, default=0.5)
    parser.add_argument("--by", choices=("row", "family"), default="family")
    parser.add_argument("--out", type=Path, metavar="DIR")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    try:
        if options.split is not None and options.out is not None:
            split(options.split, options.share, options.by, options.out, options.seed)
            return
        if options.train is None or options.test is None or options.device is None:
            parser.error("give --train, --test and --device, or --split and --out")
        figures = score(options.train, options.test, options.device)
    except EvitNasError as error:
        parser.exit(error.exit_code, f"error: {error}\n")
    print(json.dumps(figures) if options.json else "\n".join(f"{name}: {value}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
