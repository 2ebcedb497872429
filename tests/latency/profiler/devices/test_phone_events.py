"""Rows of the tool as events of a network's kernels, or a refusal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evit_nas.errors import InputError
from evit_nas.graph.blocks import MBConv
from evit_nas.graph.delegation import BINARY, UNARY
from evit_nas.graph.emit import emit, emit_block
from evit_nas.graph.fuse import Step, trace
from evit_nas.graph.kernel import RuntimeSpec
from evit_nas.graph.opgraph import OpGraph
from evit_nas.latency.profiler.benchmark_model.output import OpProfile, OpRow
from evit_nas.latency.profiler.devices.phone_events import events_of, network_events, together
from evit_nas.space.space import load_space
from evit_nas.tflite.match import match_events
from evit_nas.tflite.runtime_types import KernelEvent

STEPS = trace(emit_block(MBConv(8, 8, 8, 8, 2, 3, 1, "relu6", False, True)))


def rows_of(steps: tuple[Step, ...]) -> list[OpRow]:
    return [OpRow(op=f"op {i}", kind="delegate", index=i, avg_us=10.0 + i, calls=1) for i in range(len(steps))]


def test_rows_are_found_by_their_index_and_not_by_their_place() -> None:
    profile = OpProfile(rows=tuple(reversed(rows_of(STEPS))), runs=4)
    events = events_of(profile, STEPS)
    assert [event.name for event in events] == [f"op {i}" for i in range(len(STEPS))]
    assert [event.samples_us.mean() for event in events] == pytest.approx([10.5 + i for i in range(len(STEPS))])


def test_a_build_that_shows_the_delegate_as_one_row_is_refused() -> None:
    """TensorFlow Lite before 2.9.1."""
    whole = OpRow(op="TfLiteXNNPackDelegate", kind="builtin", index=7, avg_us=100.0, calls=1)
    with pytest.raises(InputError, match="no row of kernel 0"):
        events_of(OpProfile(rows=(whole,), runs=4), STEPS)


def test_a_row_for_several_partitions_is_refused() -> None:
    first, *others = rows_of(STEPS)
    merged = OpRow(op=first.op, kind="delegate", index=0, avg_us=5.0, calls=2)
    with pytest.raises(InputError, match="several partitions"):
        events_of(OpProfile(rows=(merged, *others), runs=4), STEPS)


def test_a_row_too_many_is_refused() -> None:
    stray = OpRow(op="Add", kind="delegate", index=len(STEPS), avg_us=5.0, calls=1)
    with pytest.raises(InputError, match="1 rows more"):
        events_of(OpProfile(rows=(*rows_of(STEPS), stray), runs=4), STEPS)


def test_calls_that_keep_one_run_each_are_put_together() -> None:
    calls = [
        events_of(OpProfile(rows=tuple(row for row in rows_of(STEPS)), runs=1), STEPS),
        events_of(
            OpProfile(
                rows=tuple(
                    OpRow(op=row.op, kind=row.kind, index=row.index, avg_us=2 * row.avg_us, calls=1)
                    for row in rows_of(STEPS)
                ),
                runs=1,
            ),
            STEPS,
        ),
    ]
    assert np.array_equal(together(calls)[0].samples_us, [10.5, 20.5])


OLDER = RuntimeSpec(joins_reshapes=False)


@pytest.fixture(scope="module")
def bicubic() -> OpGraph:
    """A network whose upsampling has reshapes of reshapes, some between other kernels."""
    members = load_space("efficientvit-seg-small").sample(0, 40)
    graphs = (emit(member.arch, member.resolution) for member in members)
    return next(graph for graph in graphs if len(trace(graph, OLDER)) > len(trace(graph)))


def profile_of(graph: OpGraph, spec: RuntimeSpec) -> OpProfile:
    """As a build prints it that fuses so: row i takes i + 1 us."""
    names = {"RESHAPE": "Copy", "CONV_2D": "Convolution", "DEPTHWISE_CONV_2D": "Convolution", "CONCATENATION": "Copy"}
    names |= {"FULLY_CONNECTED": "Fully Connected", "BATCH_MATMUL": "Batch Matrix Multiply", "SLICE": "Slice"}
    names |= dict.fromkeys(UNARY, "Unary Elementwise") | dict.fromkeys(BINARY, "Binary Elementwise")
    names |= {"TRANSPOSE": "Transpose", "PAD": "Constant Pad", "SUM": "Sum", "MEAN": "Mean"}
    kinds = [step.kernel.signature.kind for step in trace(graph, spec)]
    rows = [OpRow(op=names[kind], kind="delegate", index=i, avg_us=i + 1.0, calls=1) for i, kind in enumerate(kinds)]
    return OpProfile(rows=tuple(rows), runs=4)


def total_us(events: tuple[KernelEvent, ...]) -> float:
    return float(sum(event.samples_us.mean() for event in events))


def test_two_copies_of_an_older_build_are_the_time_of_the_one_that_stands_for_both(bicubic: OpGraph) -> None:
    profile = profile_of(bicubic, OLDER)
    events = network_events(profile, bicubic)
    steps, apart = trace(bicubic), trace(bicubic, OLDER)
    assert len(events) == len(steps) < len(apart)
    assert total_us(events) == pytest.approx(sum(row.avg_us + 0.5 for row in profile.rows))
    place, step = next((i, step) for i, step in enumerate(steps) if len(step.kernel.ops) == 2 and is_reshape(step))
    own = [i for i, part in enumerate(apart) if is_reshape(part) and set(part.kernel.ops) <= set(step.kernel.ops)]
    assert events[place].samples_us.mean() == pytest.approx(sum(i + 1.5 for i in own))
    assert match_events(bicubic, events)


def test_a_newer_build_is_taken_as_it_is(bicubic: OpGraph) -> None:
    events = network_events(profile_of(bicubic, RuntimeSpec()), bicubic)
    assert [event.samples_us.mean() for event in events] == pytest.approx([i + 1.5 for i in range(len(events))])


def test_another_difference_is_refused(bicubic: OpGraph) -> None:
    profile = profile_of(bicubic, OLDER)
    swapped = [replace(row, op="Softmax") if row.index == 3 else row for row in profile.rows]
    with pytest.raises(InputError, match="kernel 3 is"):
        network_events(replace(profile, rows=tuple(swapped)), bicubic)
    with pytest.raises(InputError, match=r"rows more|no row"):
        network_events(replace(profile, rows=profile.rows[:-1]), bicubic)


def is_reshape(step: Step) -> bool:
    return step.kernel.signature.kind == "RESHAPE"
