"""How near the host predictor comes to networks that it has never seen.

    python benchmarks/host_accuracy.py [--tables DIR] [--networks 30] [--seconds S] [--out FILE]

Members of the default space, log-uniform in MACs from the smallest to 20 G, none of them in the table; each is timed
twice, the second time after all others, so that the measurement's own repeatability stands beside the prediction's
error. Times are brought to the speed that the machine had when the table was begun, by the reference model beside each;
`raw` has them as they were. Every timing is appended to FILE at once; started again, it goes on (`--seconds` ends a
part early). When all are timed the figures are printed as JSON: MAPE, within 5 and 10 %, Spearman, share of 90 %
intervals that hold, MACs alone (a power law fitted on the networks of the table), the order of pairs of equal MACs.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evit_nas.graph.cost import arch_macs
from evit_nas.graph.emit import emit
from evit_nas.graph.fuse import fuse
from evit_nas.latency.measurement import NetworkMeasurement
from evit_nas.latency.predictor.fit import fit_predictor
from evit_nas.latency.predictor.metrics import interval_coverage, mape, pair_accuracy, spearman, within
from evit_nas.latency.profiler.fingerprint import host_fingerprint
from evit_nas.latency.profiler.host import measure_graph
from evit_nas.latency.profiler.plan import stratified_members
from evit_nas.latency.table.find import find_table
from evit_nas.latency.table.networks import load_networks
from evit_nas.latency.table.store import load_table
from evit_nas.space.dimension import Candidate
from evit_nas.space.space import load_space
from evit_nas.tflite.weights import fill_random
from evit_nas.tflite.writer import write

SEED = 20_250
MAX_MACS = 20e9
PASSES = 2


def unseen_members(count: int, known: Sequence[NetworkMeasurement]) -> list[Candidate]:
    """`count` members that the table has no timing of."""
    space = load_space("efficientvit-seg")
    smallest = space.smallest()
    low = float(arch_macs(smallest.arch, smallest.resolution))
    seen = {(row.arch, row.resolution) for row in known}
    members = stratified_members(space, seed=SEED, count=count, macs=(low, MAX_MACS))
    return [member for member in members if (member.arch, member.resolution) not in seen]


Timings = dict[tuple[int, int], tuple[float, float]]  # (pass, member) -> milliseconds, canary's microseconds then


def read_timings(path: Path) -> Timings:
    """From the finished lines of `path`."""
    if not path.exists():
        return {}
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
    own = [line for line in lines if line["seed"] == SEED]
    return {(line["pass"], line["member"]): (line["latency_ms"], line["canary_us"]) for line in own}


def time_members(members: Sequence[Candidate], path: Path, seconds: float) -> Timings:
    """Time what is not timed yet, for `seconds` at most."""
    timings, started = read_timings(path), time.monotonic()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        for key in ((turn, index) for turn in range(PASSES) for index in range(len(members))):
            if key in timings or time.monotonic() - started > seconds:
                continue
            member = members[key[1]]
            model = write(fill_random(emit(member.arch, member.resolution), seed=0))
            timing = measure_graph(model, seconds=0.2, rounds=(2, 5))
            timings[key] = timing.latency_ms, timing.canary_us
            row = {"seed": SEED, "pass": key[0], "member": key[1], "latency_ms": timing.latency_ms}
            file.write(json.dumps({**row, "canary_us": timing.canary_us, "problem": timing.problem}) + "\n")
            file.flush()
    return timings


def macs_alone(macs: NDArray[np.float64], known: Sequence[NetworkMeasurement]) -> NDArray[np.float64]:
    """Milliseconds by a power law of MACs, fitted on the networks of the table."""
    x = np.log([arch_macs(row.arch, row.resolution) for row in known])
    slope, intercept = np.polyfit(x, np.log([row.latency_ms for row in known]), 1)
    return np.asarray(np.exp(slope * np.log(macs) + intercept), dtype=np.float64)


def figures(tables: Path | None, members: Sequence[Candidate], timings: Timings) -> dict[str, object]:
    """What the benchmark claims, from two timings of every member.

    The machine's speed drifts by some percent between the profile and this run; the reference model beside each timing
    says by how much. The figures are at the speed of the table, as its rows are; `raw` holds those as timed.
    """
    path = find_table(host_fingerprint(), tables)
    table, known = load_table(path), load_networks(path)
    predictor = fit_predictor(table, known)
    predicted = [predictor.predict(fuse(emit(member.arch, member.resolution))) for member in members]
    raw, canary_us = (
        np.array([[timings[turn, i][part] for i in range(len(members))] for turn in range(PASSES)]) for part in (0, 1)
    )
    speed = (table.provenance.canary_us or float(np.median(canary_us))) / canary_us
    first, second = raw * speed
    measured, as_timed = np.sqrt(first * second), np.sqrt(raw[0] * raw[1])
    latency, low, high = (
        np.array([getattr(p, f"{part}_ms") for p in predicted]) for part in ("latency", "low", "high")
    )
    macs = np.array([float(arch_macs(member.arch, member.resolution)) for member in members])
    return {
        "table": table.hash,
        "rows": len(table.rows),
        "table_networks": len(known),
        "networks": len(members),
        "mape": mape(latency, measured),
        "within_5": within(latency, measured, 0.05),
        "within_10": within(latency, measured, 0.10),
        "spearman": spearman(latency, measured),
        "interval_coverage": interval_coverage(low, high, measured),
        "raw": {
            "mape": mape(latency, as_timed),
            "within_5": within(latency, as_timed, 0.05),
            "within_10": within(latency, as_timed, 0.10),
            "interval_coverage": interval_coverage(low, high, as_timed),
            "machine_speed": [round(float(np.quantile(speed, q)), 3) for q in (0.1, 0.5, 0.9)],
        },
        "repetition_mape": mape(second, first),
        "repetition_within_5": within(second, first, 0.05),
        "pairs_in_order": pair_accuracy(latency, measured, macs),
        "macs_alone_mape": mape(macs_alone(macs, known), measured),
        "macs_alone_within_10": within(macs_alone(macs, known), measured, 0.10),
        "extrapolated_share": float(np.mean([p.coverage.extrapolated for p in predicted])),
        "members": [
            {
                "macs": int(m),
                "measured_ms": round(float(t), 3),
                "predicted_ms": round(p.latency_ms, 3),
                "low_ms": round(p.low_ms, 3),
                "high_ms": round(p.high_ms, 3),
            }
            for m, t, p in zip(macs, measured, predicted, strict=True)
        ],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path)
    parser.add_argument("--networks", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--out", type=Path, default=Path("reports/host_accuracy.jsonl"))
    options = parser.parse_args()
    members = unseen_members(options.networks, load_networks(find_table(host_fingerprint(), options.tables)))
    timings = time_members(members, options.out, options.seconds)
    missing = PASSES * len(members) - len(timings)
    if missing > 0:
        print(f"{missing} timings left; start again to go on")
        return
    print(json.dumps(figures(options.tables, members, timings), indent=2))


if __name__ == "__main__":
    main()
