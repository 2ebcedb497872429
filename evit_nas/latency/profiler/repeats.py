"""Kernels too short for a profiler that counts whole microseconds: many copies in one model, timed as a whole.

XNNPACK cuts each event off to whole microseconds. Where a kernel's time hardly varies, half a microsecond is all that
can be put back, and a kernel of 3 us stays up to 17 % off. The whole run of a model that holds nothing but copies of it
tells its time to a thousandth. What a copy finds in the cache is what its neighbour left there; kernels so short move
little data, so that their place in a network does not matter much.
"""

from __future__ import annotations

from dataclasses import replace

from evit_nas.graph.fuse import trace
from evit_nas.graph.kernel import KernelSignature
from evit_nas.graph.kernel_model import kernel_model
from evit_nas.graph.opgraph import OpGraph
from evit_nas.latency.measurement import Measurement
from evit_nas.latency.profiler.protocol import Canary, time_network
from evit_nas.tflite.weights import fill_random
from evit_nas.tflite.writer import write

WHOLE_US = 400.0  # of the copies together: a microsecond of the graph's own cost is a quarter of a percent
MOST_COPIES = 128
SECONDS = 0.05
MIN_RUNS = 50


def repeated_row(canary: Canary, row: Measurement, graph_us: float, *, rounds: tuple[int, int]) -> Measurement:
    """`row` with the time of one of many copies in a model of their own; `row` itself where that is not to be had.

    `graph_us`: what running a graph at all takes, at the table's speed. `row.repeats` then counts the copies.
    """
    copies = min(max(round(WHOLE_US / row.median_us), 2), MOST_COPIES)
    graph = kernel_model(row.signature, copies)
    if not _holds_only(graph, row.signature, copies):
        return row
    model = write(fill_random(graph, seed=0))
    timing = time_network(canary, model, seconds=SECONDS, min_runs=MIN_RUNS, rounds=rounds, width=0.02)
    low, middle, high = (
        (1e3 * latency_ms / timing.canary - graph_us) / copies
        for latency_ms in (timing.low_ms, timing.latency_ms, timing.high_ms)
    )
    if timing.problem or low <= 0:
        return row
    return replace(
        row,
        median_us=middle,
        low_us=low,
        high_us=high,
        timings=timing.runs * copies,
        repeats=copies,
        canary=timing.canary,
    )


def _holds_only(graph: OpGraph, signature: KernelSignature, copies: int) -> bool:
    """Whether the runtime runs exactly the copies: some kernels would be fused with each other or copied."""
    return [step.kernel.signature for step in trace(graph)] == [signature] * copies
