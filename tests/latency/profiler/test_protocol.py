"""Rounds that something disturbed do not count; the interval covers a repetition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from evit_nas.errors import DeviceError
from evit_nas.latency.measurement import Conditions
from evit_nas.latency.profiler import protocol
from evit_nas.latency.profiler.devices.base import DeviceFacts, Floats
from evit_nas.latency.profiler.protocol import Canary, calm_round, canary_model, require_calm, time_network
from evit_nas.tflite.runtime_types import KernelEvent


class Scripted:
    """A device whose canary and networks take what the script says."""

    def __init__(self, canary_us: Iterator[float] | None = None, network_us: Iterator[float] | None = None) -> None:
        self.canary_us, self.network_us = canary_us, network_us
        self.problems: list[str] = []
        self.facts = DeviceFacts(conditions=Conditions(device="host-000000000000"))

    def time_us(self, model: bytes, *, seconds: float, min_runs: int) -> Floats:
        script = self.canary_us if model == canary_model() else self.network_us
        return np.full(min_runs, next(script) if script is not None else 2000.0)

    def profile(self, model: bytes, *, seconds: float, min_runs: int) -> tuple[KernelEvent, ...]:
        return ()

    def disturbance(self) -> str:
        return self.problems.pop(0) if self.problems else ""


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol.time, "sleep", lambda seconds: None)


def settled(device: Scripted) -> Canary:
    canary = Canary(device)
    canary.settle()
    return canary


def then(first: float, count: int, *rest: float) -> Iterator[float]:
    """`first` for `count` looks, then the rest, the last one for ever."""
    yield from [first] * count
    yield from rest
    while True:
        yield rest[-1] if rest else first


def test_a_calm_round_counts_at_once() -> None:
    done = calm_round(settled(Scripted()), lambda: 42)
    assert (done.value, done.thrown_away, done.problem, done.canary) == (42, 0, "", 1.0)


def test_a_round_whose_core_was_taken_away_is_repeated() -> None:
    device = Scripted()
    canary = settled(device)
    device.problems = ["the core was taken away 50% of the time", "", "", ""]
    values = iter([1, 2])
    done = calm_round(canary, lambda: next(values))
    assert (done.value, done.thrown_away, done.problem) == (2, 1, "")


def test_a_round_beside_a_slow_canary_is_repeated() -> None:
    device = Scripted(canary_us=then(2000.0, protocol.SETTLING_LOOKS, 2400.0, 2010.0))
    done = calm_round(settled(device), lambda: 1)
    assert done.problem == ""
    assert done.thrown_away == 1
    assert done.canary == pytest.approx(1.005)


def test_a_machine_that_became_slower_for_good_is_accepted_with_its_canary() -> None:
    device = Scripted(canary_us=then(2000.0, protocol.SETTLING_LOOKS, 2400.0))
    canary = settled(device)
    done = calm_round(canary, lambda: 1)
    assert done.problem == ""
    assert done.canary == pytest.approx(1.2)
    for _ in range(3):
        done = calm_round(canary, lambda: 1)
    assert done.thrown_away == 0


def test_a_machine_whose_speed_keeps_changing_is_named() -> None:
    device = Scripted(canary_us=then(2000.0, protocol.SETTLING_LOOKS, *[2600.0, 2200.0] * 50))
    done = calm_round(settled(device), lambda: 1)
    assert "1.30 times its first time" in done.problem


def test_a_machine_that_never_calms_down_is_named() -> None:
    device = Scripted()
    canary = settled(device)
    device.problems = ["the hypervisor took 30% of the time"] * 100
    done = calm_round(canary, lambda: 1)
    assert done.thrown_away == protocol.ATTEMPTS - 1
    with pytest.raises(DeviceError, match=r"hypervisor took 30%.*finished rows are kept"):
        require_calm(done.problem, device)
    device.facts = replace(device.facts, serial="R5CT")
    with pytest.raises(DeviceError, match=r"^R5CT: .*close the phone's apps") as error:
        require_calm(done.problem, device)
    assert "this machine" not in str(error.value)


def test_disturbed_looks_do_not_set_the_reference() -> None:
    device = Scripted(canary_us=then(9000.0, 3, 2000.0))
    device.problems = ["busy"] * 3
    assert settled(device).reference_us == 2000.0


def test_rounds_are_added_until_the_interval_is_narrow() -> None:
    steady = time_network(settled(Scripted(network_us=then(10_000.0, 1))), b"model", min_runs=5)
    assert (steady.runs, steady.latency_ms, steady.low_ms, steady.high_ms) == (15, 10.0, 10.0, 10.0)
    random = np.random.default_rng(0)
    noisy = Scripted(network_us=iter(random.normal(10_000, 400, 50)))
    timing = time_network(settled(noisy), b"model", min_runs=5, rounds=(3, 8))
    assert timing.runs == 40
    assert timing.low_ms < 10.0 < timing.high_ms


def test_the_interval_covers_the_true_latency() -> None:
    random = np.random.default_rng(3)
    hits = 0
    for _ in range(100):
        device = Scripted(network_us=iter(random.normal(10_000, 100, 10)))
        timing = time_network(settled(device), b"model", min_runs=1, rounds=(4, 4))
        hits += timing.low_ms <= 10.0 <= timing.high_ms
    assert hits >= 90
