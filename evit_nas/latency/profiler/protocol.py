"""When a timing counts: warm, alone on its core, beside a reference model that has not moved.

A round is one call of the device between two looks at the canary, a fixed model. A round that other load disturbed (the
core was taken away, or the canary moved by more than 5 %) is thrown away and repeated after a pause. Smaller moves are
divided out of what goes into a table (on a shared machine this took the error of kernel sums against whole runs from
2.1 to 1.6 %); a timing of a single network stays raw.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Generic, TypeVar

import numpy as np

from evit_nas.errors import DeviceError
from evit_nas.graph.blocks import MBConv
from evit_nas.graph.emit import emit_block
from evit_nas.latency.gaussian import Z95
from evit_nas.latency.profiler.devices.base import Device
from evit_nas.latency.profiler.statistics import (
    Centre,
    centre_of,
    centre_of_mean,
    centre_of_ticks,
    centre_over_rounds,
    cut_off_half,
)
from evit_nas.tflite.runtime_types import KernelEvent
from evit_nas.tflite.weights import fill_random
from evit_nas.tflite.writer import write

T = TypeVar("T")

CANARY_LIMIT = 0.05
CANARY_SECONDS = 0.04
ATTEMPTS = 6
LONGEST_S = 15.0  # no further attempt after so long
STEADY = 0.025
SETTLING_LOOKS = 9
FRESH_LOOKS = 25
LEAST_LOOKS, SETTLING_S = 5, 60.0  # an emulated phone takes half a minute for a look
RECENT_LOOKS = 25
LEVEL_LOOKS = 8
CHANCE = 1.5  # times the spread of processes, twice that of a mean of two
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 0.8


@cache
def canary_model() -> bytes:
    """A block of about two milliseconds that computes and streams: sensitive to clock, cache and memory alike."""
    block = MBConv(64, 128, 32, 32, 4, 3, 1, "hswish", False, True)
    return write(fill_random(emit_block(block), seed=0))


@dataclass
class Canary:
    """The reference model on one device. `reference_us` is its time when the table was begun.

    What counts as undisturbed is its usual ratio to that, the median of recent looks: a burst of other load is off it,
    a machine that has become slower for good is not.
    """

    device: Device
    reference_us: float = 0.0
    last: float = 1.0
    recent: list[float] = field(default_factory=list)
    process_sd: float = 0.0  # relative, by which one process differs from the next; 0 where calls share a process

    def settle(self) -> None:
        """Set the reference as the median of some looks, undisturbed ones if there are any."""
        count = FRESH_LOOKS if self.device.facts.fresh_process else SETTLING_LOOKS
        started = time.monotonic()
        looks: list[tuple[float, str]] = []
        while len(looks) < count and (len(looks) < LEAST_LOOKS or time.monotonic() - started < SETTLING_S):
            looks.append((self._time(), self.device.disturbance()))
        calm = [time_us for time_us, problem in looks if not problem] or [time_us for time_us, _ in looks]
        self.reference_us = float(np.median(calm))
        self.recent = [time_us / self.reference_us for time_us in calm]
        if self.device.facts.fresh_process:
            self.process_sd = float(np.std(self.recent))

    def look(self) -> float:
        """Time of the reference model now over `reference_us`."""
        self.last = self._time() / self.reference_us
        self.recent = [*self.recent, self.last][-RECENT_LOOKS:]
        return self.last

    def level(self, before: float, after: float) -> float:
        """The speed of a round between two looks: their mean.

        Where each look is a process of its own, two of them say less than the last ones together; these are taken
        unless the two are further off them than chance explains.
        """
        beside, recent = (before + after) / 2, float(np.mean(self.recent[-LEVEL_LOOKS:]))
        return recent if abs(beside - recent) < CHANCE * self.process_sd else beside

    def least_half(self, rounds: int) -> float:
        """Half of a 95 % interval, relative, that the difference between processes alone makes after so many rounds."""
        return Z95 * self.process_sd * float((1 / rounds + 1 / LEVEL_LOOKS) ** 0.5)

    def off(self, *ratios: float) -> bool:
        """Whether any of these looks is more than 5 % off the usual one."""
        usual = float(np.median(self.recent))
        return any(abs(ratio / usual - 1) > CANARY_LIMIT for ratio in ratios)

    def move_reference(self, reference_us: float) -> None:
        """Take the reference of an earlier run; the speed of now stays the usual one."""
        scale = self.reference_us / reference_us
        self.recent, self.last = [ratio * scale for ratio in self.recent], self.last * scale
        self.reference_us = reference_us

    def _time(self) -> float:
        samples = self.device.time_us(canary_model(), seconds=CANARY_SECONDS, min_runs=7)
        # the quartile, not the median: it says how fast the machine is, whoever interrupts it for a moment
        return float(np.quantile(samples, 0.25))


@dataclass(frozen=True, kw_only=True, slots=True)
class Round(Generic[T]):
    """What a round gave."""

    value: T
    canary: float  # speed by the looks before and after (`Canary.level`)
    thrown_away: int  # rounds before it that did not count
    problem: str  # why even the last attempt is doubtful, "" where it counts


def calm_round(canary: Canary, work: Callable[[], T], *, attempts: int = ATTEMPTS) -> Round[T]:
    """Repeat `work` until a round counts, pausing between attempts.

    After `attempts` the steadiest one is given. It counts too if the canary was off its level but took the same time
    before and after: the machine was slower, and steady. Else `problem` says what is wrong with it.
    """
    pause, started = FIRST_PAUSE_S, time.monotonic()
    best: tuple[float, Round[T]] | None = None
    for attempt in range(attempts):
        if attempt:
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
            canary.look()
        before, value = canary.last, work()
        taken = canary.device.disturbance()
        after = canary.look()
        off = canary.off(before, after)
        problem = taken or (f"the reference model took {max(before, after):.2f} times its first time" if off else "")
        done = Round(value=value, canary=canary.level(before, after), thrown_away=attempt, problem=problem)
        if not problem:
            return done
        change = abs(after / before - 1) + bool(taken)
        if best is None or change < best[0]:
            best = change, done
        if time.monotonic() - started > LONGEST_S:
            break
    if best is None:
        raise ValueError("no attempt")
    change, done = best
    return replace(done, problem="", thrown_away=attempt) if change <= STEADY else replace(done, thrown_away=attempt)


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """Latency of a whole network as timed: median over rounds, its 95 % interval, runs behind it.

    `canary` is the canary's ratio to its reference, `canary_us` its time: over a table's `canary_us` it is the drift
    since that was begun. `thrown_away` counts disturbed rounds; `problem` says why the result is doubtful all the
    same, "" where it is not.
    """

    latency_ms: float
    low_ms: float
    high_ms: float
    runs: int
    canary: float
    canary_us: float
    thrown_away: int = 0
    problem: str = ""


def time_network(
    canary: Canary,
    model: bytes,
    *,
    seconds: float = 0.5,
    min_runs: int = 5,
    rounds: tuple[int, int] = (3, 8),
    width: float = 0.01,
) -> Timing:
    """Time whole runs, each round in a session of its own, until the interval is within `width` or rounds are spent."""
    done: list[Round[Centre]] = []
    runs = 0
    while len(done) < rounds[1]:
        counted: list[int] = []

        def work(counted: list[int] = counted) -> Centre:
            samples = canary.device.time_us(model, seconds=seconds, min_runs=min_runs)
            counted.append(len(samples))
            return centre_of(samples)

        done.append(calm_round(canary, work))
        runs += counted[-1]
        centre = centre_over_rounds([item.value for item in done], least=canary.least_half(len(done)))
        if len(done) >= rounds[0] and centre.high - centre.median <= width * centre.median:
            break
    ratio = float(np.mean([item.canary for item in done]))
    return Timing(
        latency_ms=centre.median / 1e3,
        low_ms=centre.low / 1e3,
        high_ms=centre.high / 1e3,
        runs=runs,
        canary=ratio,
        canary_us=ratio * canary.reference_us,
        thrown_away=sum(item.thrown_away for item in done),
        problem=next((item.problem for item in done if item.problem), ""),
    )


def event_centre(event: KernelEvent) -> Centre:
    """Microseconds of one kernel. XNNPACK cuts its times off to whole microseconds, builtin operators' are differences
    of two cut-off clock readings and need no correction."""
    if event.averaged:
        mean, deviation = float(np.mean(event.samples_us)), float(np.std(event.samples_us))
        centre = centre_of_mean(mean, deviation, len(event.samples_us))
        return centre.widened(cut_off_half(deviation)) if event.kind == "delegate" else centre
    return centre_of_ticks(event.samples_us, truncated=event.kind == "delegate")


def require_calm(problem: str, device: Device) -> None:
    """Raise DeviceError where a round stayed disturbed."""
    if problem:
        facts = device.facts
        remedy = "close the phone's apps, let it rest" if facts.serial else "stop other work on this machine"
        raise DeviceError(
            f"{facts.serial or facts.conditions.device}: {problem} in each of {ATTEMPTS} attempts; {remedy} "
            "and start again (finished rows are kept)"
        )
