"""Short kernels get the time of one of many copies, exact where single events are cut off."""

from __future__ import annotations

import numpy as np
import pytest

from evit_nas.graph.fuse import fuse
from evit_nas.graph.kernel import KernelSignature, TensorType
from evit_nas.latency.measurement import Conditions, Measurement
from evit_nas.latency.profiler import repeats
from evit_nas.latency.profiler.devices.base import DeviceFacts, Floats
from evit_nas.latency.profiler.protocol import Canary, canary_model
from evit_nas.latency.profiler.repeats import repeated_row
from evit_nas.tflite.reader import read
from evit_nas.tflite.runtime_types import KernelEvent

MAP = TensorType((1, 8, 8, 16))
ADD = KernelSignature("ADD", (MAP, MAP), (MAP,))
KERNEL_US, GRAPH_US = 3.37, 20.0


class Exact:
    """Every kernel takes KERNEL_US, every graph GRAPH_US beside them."""

    def __init__(self) -> None:
        self.facts = DeviceFacts(conditions=Conditions(device="sm8450"))
        self.problem = ""

    def time_us(self, model: bytes, *, seconds: float, min_runs: int) -> Floats:
        kernels = 1 if model == canary_model() else len(fuse(read(model)).kernels)
        return np.full(min_runs, GRAPH_US + kernels * KERNEL_US)

    def profile(self, model: bytes, *, seconds: float, min_runs: int) -> tuple[KernelEvent, ...]:
        return ()

    def disturbance(self) -> str:
        return self.problem


def row() -> Measurement:
    return Measurement(
        signature=ADD,
        timings=20,
        median_us=3.5,
        low_us=3.0,
        high_us=4.0,
        repeats=1,
        canary=1.0,
        measured_at="2025-01-01T00:00:00+00:00",
    )


def settled(device: Exact) -> Canary:
    canary = Canary(device)
    canary.settle()
    return canary


def test_copies_tell_what_single_events_cannot() -> None:
    done = repeated_row(settled(Exact()), row(), GRAPH_US, rounds=(1, 1))
    assert done.median_us == pytest.approx(KERNEL_US)
    assert done.repeats == round(repeats.WHOLE_US / 3.5)
    assert done.timings == done.repeats * repeats.MIN_RUNS


def test_a_disturbed_timing_leaves_the_row_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evit_nas.latency.profiler.protocol.time.sleep", lambda seconds: None)
    device = Exact()
    canary = settled(device)
    device.problem = "busy"
    assert repeated_row(canary, row(), GRAPH_US, rounds=(1, 1)) == row()
