"""Row strips chosen by measuring each chain of large blocks, against the plain form of the whole network, in turns.

For each network: groups in strips, times, how many times faster, and the gain that the groups alone and this machine's
predictor promise beside the measured one. Needs a table of this machine (`evit-nas profile --device host`); their
timings are kept beside it, so a second run only measures the networks.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from evit_nas.graph.cost import peak_activation_bytes
from evit_nas.graph.emit import emit
from evit_nas.graph.lowering import PLAIN, Lowering
from evit_nas.latency.schedules import calm_us, interleaved_us, load_evidence
from evit_nas.space.arch import Resolution, named_arch
from evit_nas.workflows.latency import open_device
from evit_nas.workflows.schedule import host_schedule, model_bytes, predicted_gain

CASES: tuple[tuple[str, Resolution], ...] = (("b0", (1024, 2048)), ("b1", (1024, 2048)))
TARGET_RATIO, TARGET_POINTS = 1.2, 5.0


def compare(name: str, resolution: Resolution, tables: Path | None, rounds: int) -> dict[str, Any]:
    """Plain and chosen schedule of one network."""
    arch = named_arch(name, upsample="bilinear")
    model = open_device("host", tables=tables)
    chosen = host_schedule(arch, resolution, tables=tables, note=print) or PLAIN
    options = (PLAIN, chosen)
    files = [model_bytes(arch, resolution, Lowering(schedule=option)) for option in options]
    times_us = interleaved_us(files, rounds=rounds)
    plain_ms, chosen_ms = (time / 1e3 for time in calm_us(times_us))
    ratios = times_us[:, 0] / times_us[:, 1]
    gain = 1 - 1 / float(np.median(ratios))
    promised = predicted_gain(load_evidence(model.path), model.predictor, arch, resolution, chosen)
    if promised is None:
        raise SystemExit(f"{model.path}: the evidence for its schedule went away meanwhile; start again")
    peaks = [peak_activation_bytes(emit(arch, resolution, Lowering(schedule=option))) for option in options]
    return {
        "network": f"{name}-{resolution[0]}x{resolution[1]}",
        "strips": {
            " .. ".join(dict.fromkeys((group.paths[0], group.paths[-1]))): group.strips for group in chosen.groups
        },
        "plain_ms": plain_ms,
        "chosen_ms": chosen_ms,
        "ratio": float(np.median(ratios)),
        "ratio_low": float(np.quantile(ratios, 0.1)),
        "ratio_high": float(np.quantile(ratios, 0.9)),
        "gain_points": 100 * gain,
        "predicted_gain_points": 100 * promised,
        "peak_mib": [peak / 2**20 for peak in peaks],
        "met": float(np.median(ratios)) >= TARGET_RATIO and abs(100 * (gain - promised)) <= TARGET_POINTS,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, help="folder of latency tables; as everywhere by default")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", default="", help="networks whose name contains this")
    parser.add_argument("--json", type=Path, help="also write the rows here")
    arguments = parser.parse_args()
    rows = []
    for name, resolution in CASES:
        if arguments.only not in f"{name}-{resolution[0]}x{resolution[1]}":
            continue
        row = compare(name, resolution, arguments.tables, arguments.rounds)
        rows.append(row)
        print(
            f"{row['network']}: plain {row['plain_ms']:.1f} ms, chosen {row['chosen_ms']:.1f} ms, "
            f"{row['ratio']:.2f} times faster [{row['ratio_low']:.2f}, {row['ratio_high']:.2f}]; "
            f"gain {row['gain_points']:.1f} %, predicted {row['predicted_gain_points']:.1f} %; peak activations "
            f"{row['peak_mib'][0]:.0f} -> {row['peak_mib'][1]:.0f} MiB; {'met' if row['met'] else 'not met'}"
        )
        print("   " + ", ".join(f"{path} {count}" for path, count in row["strips"].items()), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
