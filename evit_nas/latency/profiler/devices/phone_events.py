"""From the rows of benchmark_model to one event a kernel in execution order, or a refusal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import NormalDist

import numpy as np

from evit_nas.errors import InputError
from evit_nas.graph.fuse import Step, trace
from evit_nas.graph.kernel import RuntimeSpec
from evit_nas.graph.opgraph import OpGraph
from evit_nas.latency.profiler.benchmark_model.output import OpProfile, OpRow
from evit_nas.latency.profiler.devices.base import Floats
from evit_nas.tflite.match import match_events
from evit_nas.tflite.runtime_types import KernelEvent

CUT_OFF_US = 0.5  # XNNPACK cuts its times off to whole microseconds; what that takes off on average
LEAST_US = 0.05
MAX_SAMPLES = 200


def network_events(profile: OpProfile, graph: OpGraph) -> tuple[KernelEvent, ...]:
    """One event for each of `trace(graph)`, held against the names that the tool prints.

    The tool fuses as LiteRT 2.3 does, or as its last builds in TensorFlow Lite did: their XNNPACK has two kernels for a
    RESHAPE of a RESHAPE, whose times are added for the one that stands for both. Raises InputError for any other
    difference.
    """
    steps, spec = trace(graph), RuntimeSpec(joins_reshapes=False)
    apart = trace(graph, spec)
    if len(profile.rows) != len(apart) or len(apart) == len(steps):
        events = events_of(profile, steps)
        match_events(graph, events)
        return events
    events = events_of(profile, apart)
    match_events(graph, events, spec)
    place = {(step.kernel.signature.kind, op): i for i, step in enumerate(apart) for op in step.kernel.ops}
    parts = [sorted({place[step.kernel.signature.kind, op] for op in step.kernel.ops}) for step in steps]
    return tuple(_added([events[i] for i in own]) for own in parts)


def _added(events: Sequence[KernelEvent]) -> KernelEvent:
    return replace(events[0], samples_us=np.sum([event.samples_us for event in events], axis=0))


def events_of(profile: OpProfile, steps: Sequence[Step]) -> tuple[KernelEvent, ...]:
    """Events in the order of `steps` (what the network runs).

    Rows are found by their index, inside the partition or of the node, never by their place: the tool scrambles the
    order. Raises InputError where rows of several partitions may stand under one name, or one is missing.
    """
    merged = profile.merged
    if merged:
        raise InputError(f"{len(merged)} rows stand for operators of several partitions, first {merged[0].op!r}")
    if len({step.kernel.partition for step in steps} - {-1}) > 1:
        raise InputError("a network of several partitions, whose rows this tool gives the same names")
    delegated = {row.index: row for row in profile.rows if row.kind == "delegate"}
    builtin = {row.index: row for row in profile.rows if row.kind == "builtin"}
    events: list[KernelEvent] = []
    place = 0
    for step in steps:
        inside = step.kernel.partition != -1
        index = place if inside else step.kernel.ops[0]
        row = (delegated if inside else builtin).pop(index, None)
        if row is None:
            raise InputError(f"no row of kernel {len(events)} ({step.kernel.signature.kind})")
        place += inside
        events.append(_event(row, profile.runs))
    left = [*delegated.values(), *builtin.values()]
    if left:
        raise InputError(f"{len(left)} rows more than the network has kernels, first {left[0].op!r}")
    return tuple(events)


def together(calls: Sequence[tuple[KernelEvent, ...]]) -> tuple[KernelEvent, ...]:
    """The events of several calls of one network as one, each kernel with the samples of all calls."""
    return tuple(
        replace(same[0], samples_us=np.concatenate([event.samples_us for event in same]))
        for same in zip(*calls, strict=True)
    )


def _event(row: OpRow, runs: int) -> KernelEvent:
    offset = CUT_OFF_US if row.kind == "delegate" else 0.0
    mean = max(row.avg_us + offset, LEAST_US)
    samples = restored(mean, row.std_us or 0.0, runs)
    return KernelEvent(row.op, row.kind, row.index, samples, averaged=True)


def restored(mean: float, deviation: float, count: int) -> Floats:
    """`count` values (at most 200) of that mean and deviation, normally spread: the tool keeps no single runs."""
    n = min(count, MAX_SAMPLES)
    if n == 1 or deviation == 0:
        return np.full(n, mean)
    shape = np.array([NormalDist().inv_cdf((i + 0.5) / n) for i in range(n)])
    values: Floats = np.maximum(mean + deviation * shape / shape.std(), mean / 10)
    return values
