"""Fake phones for the benchmarks of the phone wing: costs drawn at random, a process each, an adb server of their own.

What a network costs on one is worked out from its .tflite by the fake's own reader, without noise; the profiler and the
predictor never see it.
"""

from __future__ import annotations

import json
import math
import os
import random
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evit_nas.fakephone.benchmark.costing import times_us
from evit_nas.fakephone.benchmark.kernels import kernels_of
from evit_nas.fakephone.benchmark.model_file import read_model
from evit_nas.fakephone.cost_model import DEFAULT, CostModel
from evit_nas.graph.emit import emit
from evit_nas.graph.fuse import trace
from evit_nas.latency.profiler.devices.adb import run_adb
from evit_nas.latency.table.networks import load_networks
from evit_nas.space.arch import ArchConfig, Resolution
from evit_nas.tflite.weights import fill_random
from evit_nas.tflite.writer import write

NOISE_SD = 0.02
SPREAD = 2.0  # costs are the default's, times or over at most this


def random_costs(seed: int) -> dict[str, object]:
    """A cost model as its JSON file has it: every kind and every global drawn, noise of 2 %."""
    draw = random.Random(seed)

    def between(low: float, high: float) -> float:
        return math.exp(draw.uniform(math.log(low), math.log(high)))

    kinds = {
        kind: {
            "fixed_us": cost.fixed_us * between(1 / SPREAD, SPREAD),
            "per_mac_ns": cost.per_mac_ns * between(1 / SPREAD, SPREAD),
            "per_byte_ns": cost.per_byte_ns * between(1 / SPREAD, SPREAD),
        }
        for kind, cost in DEFAULT.kinds.items()
    }
    return {
        **kinds,
        "cache_bytes": int(between(1 << 19, 1 << 23)),
        "cache_penalty": draw.uniform(1.2, 2.0),
        "noise_sd": NOISE_SD,
        "channel_step": draw.choice((4, 8, 16)),
        "cold": between(0.01, 0.1),
        "graph_us": between(5.0, 80.0),
        "throttle": {"after_s": between(40.0, 240.0), "factor": draw.uniform(1.2, 1.6)},
    }


@contextmanager
def own_adb() -> Iterator[Path]:
    """A folder to work in, and until the end an adb server and a home directory that nobody else uses."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        os.environ.update(HOME=folder, XDG_STATE_HOME=f"{folder}/state", ANDROID_ADB_SERVER_PORT=str(port))
        try:
            yield Path(folder)
        finally:
            run_adb(["kill-server"])
            os.environ.clear()
            os.environ.update(before)


@contextmanager
def running_phone(soc: str, costs: dict[str, object], folder: Path) -> Iterator[str]:
    """`evit-nas fake-phone` with these costs, connected; its address."""
    path = folder / f"costs-{soc}.json"
    path.write_text(json.dumps(costs))
    command = [sys.executable, "-m", "evit_nas", "fake-phone", "--soc", soc, "--cost-model", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        run_adb(["connect", address])
        yield address
    finally:
        process.terminate()
        process.wait()


def profile_command(address: str, tables: Path, *options: str) -> list[str]:
    """What a user would type, with its result as JSON."""
    command = [sys.executable, "-m", "evit_nas", "profile", "--device", address, "--tables", str(tables)]
    return [*command, "--json", *options]


def hidden_us(arch: ArchConfig, resolution: Resolution, model: CostModel) -> list[tuple[str, float]]:
    """Signature key and exact microseconds of every kernel of a network, in the order in which it runs them."""
    graph = emit(arch, resolution)
    kernels = kernels_of(read_model(write(fill_random(graph, seed=0))))
    steps = trace(graph)
    pairs = zip(steps, times_us(kernels, model), strict=True)
    return [(step.kernel.signature.key, time_us) for step, time_us in pairs if not step.free]


def hidden_rows(table: Path, model: CostModel) -> dict[str, float]:
    """Signature key and exact microseconds of every kernel of the networks that were timed beside a table."""
    return {
        key: time_us
        for network in load_networks(table)
        for key, time_us in hidden_us(network.arch, network.resolution, model)
    }
