"""A rehearsal of sm8450 on a phone whose blocks are known: how kernel and expansion change a block that nobody timed.

    python benchmarks/sd888_rehearsal.py --blocks CSV [--target xiaomi11_ms]

Of the target phone only sums are used: 16 stand-ins for published networks, each the sum of blocks with kernel 3 and
expansion 4. All else is from the other phones: SD855 gives the kernels' costs, the sums give one factor for each group
of kernels, and the predicted change is the factors' change of the block, with SD855's own deviation from its kernel
model. The interval is what the same procedure misses on the other phones as targets: 90 % of the errors on
the one that it fits worse, since errors of one phone lean to one side and the target may be like either. Scored on
blocks of the target in no sum: time ratio of kernel 5 to 3, and of expansions 2 and 6 to 4.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from evit_nas.errors import EvitNasError
from evit_nas.latency.predictor.base import Floats
from evit_nas.latency.predictor.network_rows import NetworkRows
from evit_nas.latency.predictor.network_sum import fit_networks, kernel_costs
from evit_nas.latency.predictor.public_kernels import public_kernels
from evit_nas.latency.predictor.public_rows import PublicBlock, PublicRows, read_public_rows
from evit_nas.latency.predictor.public_terms import summed_terms

SOURCE = "pixel4_ms"
OTHERS = ("pixel1_ms", "pixel6_ms")
NETWORKS, BLOCKS_EACH = 16, 16
CHANGES: Mapping[str, tuple[int, int]] = {  # kernel and expansion after the change
    "kernel 3 to 5": (5, 4),
    "expand 4 to 2": (3, 2),
    "expand 4 to 6": (3, 6),
}


def stand_ins(rows: PublicRows, seed: int) -> tuple[NetworkRows, set[PublicBlock]]:
    """Sums of random blocks with kernel 3 and expansion 4, and the blocks that are in one."""
    rng = np.random.default_rng(seed)
    plain = [i for i, b in enumerate(rows.blocks) if b.block == "conv" and (b.kernel, b.expand) == (3, 4)]
    drawn = [rng.choice(plain[: len(plain) // 2], BLOCKS_EACH) for _ in range(NETWORKS)]
    kernels = tuple(tuple(k for i in members for k in public_kernels(rows.blocks[i])) for members in drawn)
    ms = np.array([rows.ms[members].sum() for members in drawn])
    return NetworkRows(tuple(map(str, range(NETWORKS))), kernels, ms), {rows.blocks[i] for m in drawn for i in m}


def pairs(rows: PublicRows, used: set[PublicBlock], change: tuple[int, int]) -> list[tuple[int, int]]:
    """Indices of blocks with kernel 3 and expansion 4 in no sum, and of the same blocks changed."""
    place = {block: i for i, block in enumerate(rows.blocks)}
    found = []
    for block, i in place.items():
        if block.block == "conv" and (block.kernel, block.expand) == (3, 4) and block not in used:
            other = place.get(replace(block, kernel=change[0], expand=change[1]))
            if other is not None:
                found.append((i, other))
    return found


def log_errors(source: PublicRows, target: PublicRows, seed: int = 0) -> dict[str, Floats]:
    """Log of predicted over measured ratio for every pair, by change."""
    sums, used = stand_ins(target, seed)
    costs = kernel_costs(source)
    own = np.array([costs.of(summed_terms(public_kernels(block))) / 1e3 for block in source.blocks])
    model = fit_networks(costs, sums)
    new = model.predict([public_kernels(block) for block in source.blocks])[0]
    log_ms = np.log(new * source.ms / own)
    errors = {}
    for name, change in CHANGES.items():
        first, second = np.array(pairs(target, used, change)).T
        errors[name] = log_ms[second] - log_ms[first] - np.log(target.ms[second] / target.ms[first])
    return errors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=Path, required=True, metavar="CSV")
    parser.add_argument("--target", default="xiaomi11_ms", metavar="COLUMN")
    options = parser.parse_args()
    try:
        source, target = (read_public_rows(options.blocks, name) for name in (SOURCE, options.target))
        others = [read_public_rows(options.blocks, name) for name in OTHERS if name != options.target]
    except EvitNasError as error:
        parser.exit(error.exit_code, f"error: {error}\n")
    rehearsed = [log_errors(source, other) for other in others]
    for name, errors in log_errors(source, target).items():
        half = max(float(np.quantile(np.abs(phone[name]), 0.9)) for phone in rehearsed)
        figures = {
            "ratio_mape": round(float(100 * np.abs(np.expm1(errors)).mean()), 3),
            "interval_coverage": round(float((np.abs(errors) <= half).mean()), 4),
            "interval_half_width": round(half, 4),
            "pairs": len(errors),
        }
        print(f"{name}: {json.dumps(figures)}")


if __name__ == "__main__":
    main()
