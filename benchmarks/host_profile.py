"""How fast and how faithful profiling on this machine is.

    python benchmarks/host_profile.py [--seconds S] [--seed N] [--json FILE]

Profiles members of the default space for S seconds into a temporary table, then times other members. Prints:
- rows and networks a second, and what a first `profile --quick` takes;
- kernel events of a network, summed, against its own unprofiled latency (are the events the whole time?);
- the same signature in two different networks (does a row hold in another context?);
- the same network timed again in other sessions (how well does a measurement predict its own repetition?).
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from evit_nas.graph.cost import arch_macs
from evit_nas.graph.emit import emit
from evit_nas.latency.profiler.devices.host import HostDevice
from evit_nas.latency.profiler.lock import machine_lock
from evit_nas.latency.profiler.plan import QUICK, stratified_members
from evit_nas.latency.profiler.protocol import Canary, calm_round, time_network
from evit_nas.latency.profiler.run import profile_device
from evit_nas.latency.profiler.samples import rows_of
from evit_nas.space.dimension import Candidate
from evit_nas.space.space import SearchSpace, load_space
from evit_nas.tflite.weights import fill_random
from evit_nas.tflite.writer import write

MEMBERS = 24


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=QUICK.limit_seconds)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    space = load_space("efficientvit-seg")
    with machine_lock("timing", note=print):
        device = HostDevice()
        figures = {**speed(device, space, arguments.seconds), **fidelity(device, space, arguments.seed)}
    for name, value in figures.items():
        print(f"{name:34s} {value:10.3f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


def speed(device: HostDevice, space: SearchSpace, seconds: float) -> dict[str, float]:
    """Rows and networks a second of the quick plan."""
    with tempfile.TemporaryDirectory() as folder:
        effort = replace(QUICK, limit_seconds=seconds)
        result = profile_device(device, space, tables_dir=Path(folder), effort=effort)
    return {
        "profile_seconds": result.elapsed_s,
        "rows": result.rows_new,
        "networks": result.networks_new,
        "rows_per_second": result.rows_new / result.elapsed_s,
        "networks_per_second": result.networks_new / result.elapsed_s,
    }


def fidelity(device: HostDevice, space: SearchSpace, seed: int) -> dict[str, float]:
    """Errors in percent, over members that are log-uniform in MACs."""
    canary = Canary(device)
    canary.settle()
    smallest = space.smallest()
    low = float(arch_macs(smallest.arch, smallest.resolution))
    members = stratified_members(space, seed=seed, count=MEMBERS, macs=(low, QUICK.max_macs))
    again, sums, contexts = [], [], defaultdict(list)
    for member in members:
        first, second, kernels = _one(canary, member)
        again.append(second / first - 1)
        sums.append(sum(us * places for us, places in kernels.values()) / 5e2 / (first + second) - 1)
        for key, (us, _) in kernels.items():
            contexts[key].append(us)
    ratios = [b / a for times in contexts.values() for a, b in pairwise(times) if min(a, b) >= 20]
    return {
        "repetition_mape_percent": _mape(again),
        "kernel_sum_mape_percent": _mape(sums),
        "kernel_sum_bias_percent": 100 * float(np.median(sums)),
        "same_kernel_other_network_pairs": len(ratios),
        "same_kernel_other_network_percent": 100 * float(np.median(np.abs(np.log(ratios or [1.0])))),
    }


def _one(canary: Canary, member: Candidate) -> tuple[float, float, dict[str, tuple[float, int]]]:
    """Two timings of a member in milliseconds, and signature -> (microseconds, places); drift divided out of all."""
    graph = emit(member.arch, member.resolution)
    model = write(fill_random(graph, seed=0))
    first = _latency_ms(canary, model)
    events = calm_round(canary, lambda: canary.device.profile(model, seconds=0.15, min_runs=4))
    second = _latency_ms(canary, model)
    rows = rows_of(graph, events.value, canary=events.canary)
    return first, second, {row.signature.key: (row.median_us, row.repeats) for row in rows}


def _latency_ms(canary: Canary, model: bytes) -> float:
    timing = time_network(canary, model, seconds=0.15, min_runs=4, rounds=(1, 1))
    return timing.latency_ms / timing.canary


def _mape(errors: Sequence[float]) -> float:
    return 100 * float(np.mean(np.abs(errors)))


if __name__ == "__main__":
    main()
