"""Kernels over several processes: the median of them, as many as the interval needs, and no narrower than chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from evit_nas.latency.measurement import Conditions
from evit_nas.latency.profiler.devices.base import DeviceFacts, Floats
from evit_nas.latency.profiler.profiled import Events, Profiled, profile_network
from evit_nas.latency.profiler.protocol import Canary, Round
from evit_nas.tflite.runtime_types import KernelEvent


def events(*times_us: float) -> Events:
    """Builtin operators, whose times are not cut off."""
    return tuple(
        KernelEvent("ADD", "builtin", i, np.full(20, time_us), averaged=True) for i, time_us in enumerate(times_us)
    )


class Phone:
    """Each call is a process; the canary takes 2 ms, the network what the script says."""

    def __init__(self, script: Sequence[float], canaries: Sequence[float] = (2000.0,)) -> None:
        self.facts = DeviceFacts(conditions=Conditions(device="sm8450"), fresh_process=True)
        self._script, self._canaries, self._looks = list(script), canaries, 0

    def time_us(self, model: bytes, *, seconds: float, min_runs: int) -> Floats:
        self._looks += 1
        return np.full(min_runs, self._canaries[self._looks % len(self._canaries)])

    def profile(self, model: bytes, *, seconds: float, min_runs: int) -> Events:
        return events(*([self._script.pop(0)] * 2))

    def disturbance(self) -> str:
        return ""


def profiled(phone: Phone, rounds: tuple[int, int]) -> Profiled:
    canary = Canary(phone)
    canary.settle()
    return profile_network(canary, b"model", seconds=0.1, min_runs=3, rounds=rounds)


def test_processes_that_agree_are_enough() -> None:
    done = profiled(Phone([100.0, 101.0, 200.0]), (2, 4))
    assert len(done.rounds) == 2
    assert [place.median for place in done.places()] == pytest.approx([100.5, 100.5])


def test_processes_that_differ_are_followed_by_more() -> None:
    done = profiled(Phone([100.0, 110.0, 101.0, 100.0, 300.0]), (2, 4))
    assert len(done.rounds) == 4
    place = done.places()[0]
    assert place.median == pytest.approx(100.5)
    assert place.low < 100.0 < 101.0 < place.high


def test_the_interval_is_never_narrower_than_the_spread_of_processes() -> None:
    done = profiled(Phone([100.0, 100.0], canaries=(1980.0, 2020.0)), (2, 2))
    place = done.places()[0]
    assert (place.high - place.low) / 2 / place.median == pytest.approx(1.96 * 0.01 * (1 / 2 + 1 / 8) ** 0.5, rel=0.1)


def test_each_round_is_at_its_own_speed() -> None:
    slow = Round(value=events(120.0), canary=1.2, thrown_away=0, problem="")
    fast = Round(value=events(100.0), canary=1.0, thrown_away=0, problem="")
    assert Profiled(rounds=(slow, fast)).places()[0].median == pytest.approx(100.0)
