"""The host as a device: pinned, watched, and honest about what it saw."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import pytest

from evit_nas.errors import InputError
from evit_nas.graph.blocks import MBConv
from evit_nas.graph.emit import emit_block
from evit_nas.graph.fuse import trace
from evit_nas.latency.profiler.devices.host import MAX_BAD_STRETCHES, HostDevice
from evit_nas.latency.profiler.fingerprint import host_fingerprint, usable_cores
from evit_nas.tflite.weights import fill_random
from evit_nas.tflite.writer import write

BLOCK = emit_block(MBConv(16, 32, 16, 16, 4, 3, 1, "hswish", False, True))
MODEL = write(fill_random(BLOCK, seed=0))


@pytest.fixture(scope="module")
def device() -> HostDevice:
    return HostDevice()


def test_times_of_whole_runs_and_of_every_kernel(device: HostDevice) -> None:
    whole = device.time_us(MODEL, seconds=0.01, min_runs=5)
    events = device.profile(MODEL, seconds=0.01, min_runs=5)
    assert len(whole) >= 5
    assert (whole > 0).all()
    assert len(events) == len(trace(BLOCK))
    assert all(len(event.samples_us) >= 5 for event in events)
    total = sum(float(np.median(event.samples_us)) for event in events)
    assert 0.2 * np.median(whole) < total < 3 * np.median(whole)


def test_the_affinity_of_the_process_is_given_back(device: HostDevice) -> None:
    before = os.sched_getaffinity(0)
    device.time_us(MODEL, seconds=0.0, min_runs=1)
    assert os.sched_getaffinity(0) == before


def test_conditions_name_the_machine_and_the_threads(device: HostDevice) -> None:
    assert device.facts.conditions.device == host_fingerprint()
    assert device.facts.conditions.threads == 1
    assert device.facts.runtime_version


def test_more_threads_than_cores_are_refused() -> None:
    with pytest.raises(InputError, match=f"1 to {usable_cores()} cores"):
        HostDevice(threads=usable_cores() + 1)


def scripted(troubles: list[str]) -> Callable[..., tuple[np.ndarray, str]]:
    def watched(stretch: object, runs: int) -> tuple[np.ndarray, str]:
        trouble = troubles.pop(0) if troubles else ""
        return np.full(runs, 99.0 if trouble else 10.0), trouble

    return watched


def test_stretches_without_the_core_are_left_out(device: HostDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_watched", scripted(["", "taken away", "taken away"]))
    samples = device.time_us(MODEL, seconds=0.3, min_runs=1)
    assert set(samples) == {10.0}
    assert device.disturbance() == ""


def test_a_core_that_is_always_taken_away_is_said_so(device: HostDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_watched", scripted(["taken away"] * (MAX_BAD_STRETCHES + 9)))
    samples = device.time_us(MODEL, seconds=0.3, min_runs=1)
    assert set(samples) == {99.0}
    assert device.disturbance() == "taken away"
