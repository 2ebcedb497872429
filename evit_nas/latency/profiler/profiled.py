"""A network kernel by kernel, in as many processes as its intervals need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evit_nas.latency.profiler.protocol import Canary, Round, calm_round, event_centre
from evit_nas.latency.profiler.statistics import Centre, centre_over_rounds
from evit_nas.tflite.runtime_types import KernelEvent

WIDTH = 0.03
Events = tuple[KernelEvent, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Profiled:
    """What a network's processes gave, all with the same kernels in the same order.

    `least`: half of the 95 % interval, relative, that the difference between processes alone makes. `problem` says why
    the result is doubtful, "" where it is not.
    """

    rounds: tuple[Round[Events], ...]
    least: float = 0.0
    problem: str = ""

    def places(self) -> tuple[Centre, ...]:
        """Microseconds of each event in the order of execution, drift divided out: median over the processes."""
        canaries = [item.canary for item in self.rounds]
        return tuple(
            _over_rounds(events, canaries, self.least)
            for events in zip(*(item.value for item in self.rounds), strict=True)
        )


def profile_network(
    canary: Canary, model: bytes, *, seconds: float, min_runs: int, rounds: tuple[int, int] = (1, 1)
) -> Profiled:
    """Profile a network, each round in a process of its own: at least `rounds[0]`, then until the intervals of its
    kernels together are within WIDTH of their time, or `rounds[1]` are done."""
    done: list[Round[Events]] = []
    while True:
        done.append(calm_round(canary, lambda: canary.device.profile(model, seconds=seconds, min_runs=min_runs)))
        profiled = Profiled(rounds=tuple(done), least=canary.least_half(len(done)), problem=done[-1].problem)
        if profiled.problem or len(done) >= rounds[1]:
            return profiled
        if len(done) >= rounds[0] and _width(profiled.places()) <= WIDTH:
            return profiled


def _over_rounds(events: Sequence[KernelEvent], canaries: Sequence[float], least: float) -> Centre:
    """One kernel."""
    centres = [event_centre(event).over(ratio) for event, ratio in zip(events, canaries, strict=True)]
    return centre_over_rounds(centres, least=least)


def _width(places: Sequence[Centre]) -> float:
    return sum(centre.high - centre.median for centre in places) / max(sum(centre.median for centre in places), 1e-9)
