"""From the events of a profiled network to rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from evit_nas.graph.kernel import GRAPH_KIND, KernelSignature
from evit_nas.graph.opgraph import OpGraph
from evit_nas.latency.gaussian import Z95
from evit_nas.latency.measurement import Measurement, NetworkMeasurement, Provenance
from evit_nas.latency.profiler.profiled import Profiled
from evit_nas.latency.profiler.protocol import Round, Timing
from evit_nas.latency.profiler.statistics import Centre
from evit_nas.space.dimension import Candidate
from evit_nas.tflite.match import match_events
from evit_nas.tflite.runtime_types import KernelEvent

GRAPH_SIGNATURE = KernelSignature(GRAPH_KIND, (), ())


def now() -> str:
    """This moment as rows write it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def rows_of(
    graph: OpGraph, events: Sequence[KernelEvent], *, canary: float, provenance: Provenance = "measured"
) -> tuple[Measurement, ...]:
    """`rows_of_profile` for one process. `canary` is that of the round."""
    only = Round(value=tuple(events), canary=canary, thrown_away=0, problem="")
    return rows_of_profile(graph, Profiled(rounds=(only,)), provenance=provenance)


def rows_of_profile(
    graph: OpGraph, profiled: Profiled, *, provenance: Provenance = "measured"
) -> tuple[Measurement, ...]:
    """One row per signature of a network, at the table's speed.

    A signature that stands at several places gets the mean of its places; their spread is part of its interval. Raises
    InputError where the runtime ran other kernels than the graph says.
    """
    first = profiled.rounds[0].value
    centres = {id(event): centre for event, centre in zip(first, profiled.places(), strict=True)}
    timings = sum(len(item.value[0].samples_us) for item in profiled.rounds)
    places: dict[KernelSignature, list[Centre]] = {}
    for kernel, event in match_events(graph, first):
        places.setdefault(kernel.signature, []).append(centres[id(event)])
    moment = now()
    rows = []
    for signature, own in places.items():
        centre = _over_places(own)
        rows.append(
            Measurement(
                signature=signature,
                timings=timings * len(own),
                median_us=centre.median,
                low_us=centre.low,
                high_us=centre.high,
                repeats=len(own),
                canary=float(np.mean([item.canary for item in profiled.rounds])),
                measured_at=moment,
                provenance=provenance,
            )
        )
    return tuple(rows)


def graph_row(
    latencies: Centre, kernels_us: float, *, timings: int, canary: float, provenance: Provenance = "measured"
) -> Measurement:
    """The row of running a graph at all: what a whole run takes beyond its kernels, at least a tenth of a microsecond.

    `latencies` are of whole unprofiled runs in microseconds, of a network so small that its kernels do not hide it.
    """
    whole = (latencies.low, latencies.median, latencies.high)
    low, middle, high = (max(value - kernels_us, 0.1) / canary for value in whole)
    return Measurement(
        signature=GRAPH_SIGNATURE,
        timings=timings,
        median_us=middle,
        low_us=low,
        high_us=high,
        repeats=1,
        canary=canary,
        measured_at=now(),
        provenance=provenance,
    )


def network_row(member: Candidate, timing: Timing, provenance: Provenance = "measured") -> NetworkMeasurement:
    """The row of a whole network, at the table's speed."""
    return NetworkMeasurement(
        arch=member.arch,
        resolution=member.resolution,
        latency_ms=timing.latency_ms / timing.canary,
        low_ms=timing.low_ms / timing.canary,
        high_ms=timing.high_ms / timing.canary,
        runs=timing.runs,
        canary=timing.canary,
        measured_at=now(),
        provenance=provenance,
    )


def _over_places(centres: Sequence[Centre]) -> Centre:
    middle = float(np.mean([centre.median for centre in centres]))
    within = float(np.mean([(centre.high - centre.low) / 2 for centre in centres]))
    spread = float(np.std([centre.median for centre in centres], ddof=1)) if len(centres) > 1 else 0.0
    half = float(np.hypot(within, Z95 * spread) / np.sqrt(len(centres)))
    return Centre(median=middle, low=max(middle - half, middle / 10), high=middle + half)
