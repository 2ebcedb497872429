"""How well the recorded times of public blocks can be predicted at all: what disturbed phones while they were timed.

    python benchmarks/phone_disturbance.py --blocks CSV

For each pair of phones, the log ratio of a block's times less a smooth surface of the shape (one for each kind of block
and input side, least absolute deviations over all rows, no row left out). A phone's deviation on a row is the median
over its three pairs, so that of two phones the one that stands out is found. `deviation` is its mean size and `above_5`
the share of rows more than 5 % slower: what no smooth law of the shape explains, with all rows at hand.

Rows were recorded in loops: input side, input width, output width, expansion. `next_in_time` correlates the last rows
of an input width with the first rows of the next one, recorded one after the other at opposite output widths;
`next_in_shape` the first rows of both, whose shapes are alike and whose moments are not. What belongs to shapes shows
in the second, what belongs to the moment in the first.
"""

from __future__ import annotations

import argparse
import json
from itertools import combinations
from pathlib import Path

import numpy as np

from evit_nas.errors import EvitNasError
from evit_nas.latency.predictor.base import Floats
from evit_nas.latency.predictor.public_rows import PublicBlock, PublicRows, read_public_rows
from evit_nas.latency.predictor.public_tables import PHONES

LOOP = "transds"  # two thirds of the rows, in loops without a gap
EDGE = 4  # rows of an input width that are first, and last
ROUNDS = 15
LEAST = 1e-3  # a deviation below counts as this much in the weights


def surface(blocks: list[PublicBlock]) -> Floats:
    """Smooth terms of the shape, shape (N, terms): second order in the widths, and the options."""
    cin, cout = (np.log2([getattr(block, name) for block in blocks]) for name in ("cin", "cout"))
    options = [[b.expand, b.expand**2, b.stride, b.kernel, b.se, b.v_scale] for b in blocks]
    sizes = np.stack([np.ones(len(blocks)), cin, cout, cin**2, cout**2, cin * cout], axis=1)
    mixed = np.array([[b.expand * np.log2(b.cin), b.kernel * np.log2(b.cin)] for b in blocks])
    return np.hstack([sizes, np.array(options, dtype=np.float64), mixed])


def least_deviations(design: Floats, target: Floats) -> Floats:
    """What is left of `target` (N,) after the fit with the least sum of absolute deviations (reweighted squares)."""
    weight, left = np.ones(len(target)), target
    for _ in range(ROUNDS):
        root = np.sqrt(weight)
        left = target - design @ np.linalg.lstsq(design * root[:, None], target * root, rcond=1e-9)[0]
        weight = 1 / np.maximum(np.abs(left), LEAST)
    return left


def deviations(phones: list[PublicRows]) -> Floats:
    """Log of each row's time over what its shape says, shape (phones, N)."""
    blocks = phones[0].blocks
    groups = np.array([f"{block.block} {block.hw_in}" for block in blocks])
    left = np.zeros((len(phones), len(phones), len(blocks)))
    for group in np.unique(groups):
        index = np.flatnonzero(groups == group)
        design = surface([blocks[i] for i in index])
        for one, other in combinations(range(len(phones)), 2):
            ratio = np.log(phones[one].ms[index] / phones[other].ms[index])
            left[one, other, index] = least_deviations(design, ratio)
            left[other, one, index] = -left[one, other, index]
    return np.array([np.median(np.delete(left[i], i, axis=0), axis=0) for i in range(len(phones))])


def correlations(rows: PublicRows, left: Floats) -> tuple[float, float]:
    """Of neighbours in time and of neighbours in shape, over every input width and the next one of the same side."""
    families: dict[tuple[int, int], list[int]] = {}
    for i, block in enumerate(rows.blocks):
        if block.block == LOOP:
            families.setdefault((block.hw_in, block.cin), []).append(i)
    edges = []
    for (side, cin), members in families.items():
        following = families.get((side, cin + 8), [])
        if min(len(members), len(following)) >= 2 * EDGE:
            ordered, after = (sorted(own, key=lambda i: _order(rows.blocks[i])) for own in (members, following))
            edges.append([left[part].mean() for part in (ordered[:EDGE], ordered[-EDGE:], after[:EDGE])])
    first, last, following_first = np.array(edges).T
    return float(np.corrcoef(last, following_first)[0, 1]), float(np.corrcoef(first, following_first)[0, 1])


def _order(block: PublicBlock) -> tuple[int, int]:
    return block.cout, block.expand


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=Path, required=True, metavar="CSV")
    options = parser.parse_args()
    try:
        phones = {phone.device: read_public_rows(options.blocks, phone.column) for phone in PHONES}
    except EvitNasError as error:
        parser.exit(error.exit_code, f"error: {error}\n")
    every = deviations(list(phones.values()))
    for (device, rows), left in zip(phones.items(), every, strict=True):
        time, shape = correlations(rows, left)
        figures = {
            "deviation": round(float(100 * np.abs(np.expm1(left)).mean()), 3),
            "above_5": round(float((left > np.log(1.05)).mean()), 4),
            "next_in_time": round(time, 3),
            "next_in_shape": round(shape, 3),
        }
        print(f"{device}: {json.dumps(figures)}", flush=True)


if __name__ == "__main__":
    main()
