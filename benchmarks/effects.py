"""What each dimension is worth in points of val mIoU at equal MACs, with its 90 % interval.

Networks are those that `benchmarks/measured/run_queue.py` trained under the recipe with most networks, seeds averaged.
Beside log MACs and its square, which take what they can, one unit of each feature (estimator/description.py: sizes of
the parts as logarithms, departures as means over blocks) has an effect that is shrunk as far as the data ask for it
(estimator/effects.py). `family` is val mIoU of B0 to B3 and the smallest member: where they are not in the published
order, effects serve only between networks of equal capacity. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from measured.networks import VAL, Network, inputs, read_networks

from evit_nas.accuracy.estimator.description import FEATURES, features, network_terms
from evit_nas.accuracy.estimator.effects import Z90, fit_effects
from evit_nas.errors import EvitNasError

FAMILY = ("smallest", "b0", "b1", "b2", "b3")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, default=Path("reports/measured/idd-lite.csv"))
    arguments = parser.parse_args()
    if not arguments.table.is_file():
        print(json.dumps({"networks": 0, "missing": str(arguments.table)}))
        return
    networks = read_networks(arguments.table)
    print(json.dumps({"networks": len(networks), "family": family(networks), **effects(networks)}, indent=1))


def family(networks: list[Network]) -> dict[str, float]:
    """Those that are there."""
    named = {Path(network.lines[0].cells["arch"]).stem: network.mean(VAL) for network in networks}
    return {name: round(named[name], 2) for name in FAMILY if name in named}


def effects(networks: list[Network]) -> dict[str, object]:
    """`points`: feature -> effect and the ends of its interval. `noise`: what one network scatters, in points."""
    names = [name for name in FEATURES if name != "MACs a pixel"]
    seen = features(np.array([network_terms(network.blocks) for network in networks]), inputs(networks))
    macs = np.log([network.mean("macs") for network in networks])
    try:
        fit = fit_effects(
            names,
            seen[:, [FEATURES.index(name) for name in names]],
            np.stack([macs, macs**2], axis=1),
            np.array([network.mean(VAL) for network in networks]),
            np.array([len(network.lines) for network in networks], dtype=np.float64),
        )
    except EvitNasError as error:
        return {"too_few": str(error)}
    half = Z90 * np.sqrt(np.diag(fit.covariance))
    rows = {
        name: [round(mean, 2), round(mean - width, 2), round(mean + width, 2)]
        for name, mean, width, varied in zip(fit.names, fit.mean.tolist(), half.tolist(), fit.varied, strict=True)
        if varied
    }
    return {"noise": round(fit.noise, 3), "points": rows}


if __name__ == "__main__":
    main()
