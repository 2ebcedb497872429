"""Strips of one block or several: bit-equal to the plain form, one partition, nothing between the blocks whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evit_nas.errors import InputError
from evit_nas.graph.blocks import Block, DSConv, FusedMBConv, HeadOut, MBConv, Msa, Placed, StemConv, layout
from evit_nas.graph.cost import peak_activation_bytes
from evit_nas.graph.emit import emit, emit_block, emit_chain, input_shapes
from evit_nas.graph.emit_strips import Sweep
from evit_nas.graph.fuse import fuse
from evit_nas.graph.lowering import OURS, PLAIN, Group, Lowering, Schedule, strip_schedule
from evit_nas.graph.opgraph import OpGraph
from evit_nas.space.arch import named_arch
from evit_nas.tflite.runtime import Session
from evit_nas.tflite.weights import fill_random
from evit_nas.tflite.writer import write

CHAINS: dict[str, tuple[Block, ...]] = {
    "3x3 with shortcut": (MBConv(14, 12, 8, 8, 4, 3, 1, "hswish", True, True),),
    "5x5 at stride 2": (MBConv(16, 12, 8, 16, 3, 5, 2, "hswish", False, False),),
    "7x7 by rows": (MBConv(20, 8, 8, 8, 2, 7, 1, "hswish", False, True),),
    "fused, odd": (FusedMBConv(11, 9, 8, 2, 3, "hswish"),),
    "classifier": (HeadOut(13, 9, 8, 4, 5, "hswish"),),
    "stem to stage 2": (
        StemConv(64, 48, 8, "hswish"),
        DSConv(32, 24, 8, "hswish"),
        MBConv(32, 24, 8, 16, 4, 3, 2, "hswish", False, False),
        MBConv(16, 12, 16, 16, 4, 3, 1, "hswish", False, True),
        MBConv(16, 12, 16, 32, 4, 3, 2, "hswish", False, False),
        MBConv(8, 6, 32, 32, 4, 3, 1, "hswish", False, True),
    ),
    "large kernels": (
        MBConv(28, 10, 8, 8, 2, 7, 1, "hswish", False, True),
        MBConv(28, 10, 8, 8, 2, 7, 2, "hswish", False, False),
        MBConv(14, 5, 8, 8, 2, 5, 1, "hswish", True, True),
    ),
    "head, odd": (
        FusedMBConv(11, 9, 8, 2, 3, "hswish"),
        MBConv(11, 9, 8, 8, 4, 5, 1, "hswish", False, True),
        HeadOut(11, 9, 8, 4, 5, "hswish"),
    ),
}


def placed(blocks: tuple[Block, ...], activation: str = "hswish") -> list[Placed]:
    return [
        Placed(replace(block, activation=activation), f"block{index}", "stage", (index - 1,))  # type: ignore[arg-type]
        for index, block in enumerate(blocks)
    ]


def run(graph: OpGraph, x: np.ndarray) -> np.ndarray:
    with Session(write(graph)) as session:
        return session.run([x])[0]


@pytest.mark.parametrize("activation", ["hswish", "relu", "relu6"])
@pytest.mark.parametrize("strips", [2, 5, 7])
@pytest.mark.parametrize("case", CHAINS)
def test_strips_are_bit_equal(case: str, strips: int, activation: str) -> None:
    chain = placed(CHAINS[case], activation)
    x = np.random.default_rng(0).standard_normal(input_shapes(chain[0].block)[0], np.float32)
    plain, banded = (fill_random(emit_chain(chain, strips=count), 1) for count in (1, strips))
    assert sum(op.kind == "CONV_2D" for op in banded.ops) > sum(op.kind == "CONV_2D" for op in plain.ops)
    assert fuse(banded).partitions == 1
    assert {op.block for op in banded.ops} == {item.path for item in chain}
    np.testing.assert_array_equal(run(plain, x), run(banded, x))


def test_a_strip_reaches_the_last_block_before_the_next_begins() -> None:
    chain = placed(CHAINS["stem to stage 2"])
    order = [op.block for op in emit_chain(chain, strips=8).ops]
    assert order.index(chain[-1].path) < len(order) - 1 - order[::-1].index(chain[0].path)


def test_rows_between_blocks_are_made_once() -> None:
    chain = placed(CHAINS["stem to stage 2"])
    graph = emit_chain(chain, strips=4)
    for item in chain[:-1]:
        last = {"DSConv": "ADD"}.get(type(item.block).__name__, "CONV_2D")
        width = getattr(item.block, "cout", getattr(item.block, "channels", 0))
        rows = [
            graph.tensors[op.outputs[0]].shape[1]
            for op in graph.ops
            if op.block == item.path and op.kind == last and graph.tensors[op.outputs[0]].shape[3] == width
        ]
        height = item.block.height // (1 if isinstance(item.block, DSConv) else getattr(item.block, "stride", 2))
        assert sum(rows) == height, item.path


def test_joining_blocks_lowers_the_peak_of_memory() -> None:
    arch, resolution = named_arch("b0", upsample="bilinear"), (1024, 2048)
    joined = strip_schedule(arch, resolution)
    apart = Schedule.of(Group((path,), group.strips) for group in joined.groups for path in group.paths)
    schedules = (Lowering(schedule=schedule) for schedule in (PLAIN, apart, joined))
    plain, each, together = (peak_activation_bytes(emit(arch, resolution, how)) for how in schedules)
    assert together < 0.9 * each < each < plain


def test_a_network_in_strips_answers_alike() -> None:
    arch, resolution = named_arch("b1"), (96, 160)
    items = layout(arch, resolution)
    head = tuple(item.path for item in items if item.path.startswith(("head.middle", "head.output")))
    schedule = Schedule.of([Group(tuple(item.path for item in items[:7]), 5), Group(head, 3)])
    x = np.random.default_rng(0).standard_normal((1, *resolution, 3), np.float32)
    plain, banded = (fill_random(emit(arch, resolution, how), 1) for how in (OURS, Lowering(schedule=schedule)))
    assert {(op.stage, op.block) for op in banded.ops} == {(op.stage, op.block) for op in plain.ops}
    np.testing.assert_array_equal(run(plain, x), run(banded, x))


def test_the_rows_under_a_strip() -> None:
    sweep = Sweep(16, 3, 2)
    assert [sweep.reads(rows) for rows in ((0, 8), (0, 3), (3, 8))] == [(0, 16), (0, 6), (5, 16)]
    assert sweep.pads((0, 8), all_sides=False) == (1, 0, 1, 0)
    assert sweep.pads((0, 8), all_sides=True) == (1, 1, 1, 1)
    assert Sweep(15, 5).pads((13, 15), all_sides=False) == (0, 2, 2, 2)


def test_attention_cannot_run_in_strips() -> None:
    msa = Msa(8, 8, 16, 1, 16, (5,), 1e-15)
    assert emit_block(msa).ops
    with pytest.raises(InputError, match="Msa cannot run in row strips"):
        emit_chain([*placed((MBConv(8, 8, 16, 16, 2, 3, 1, "hswish", False, True),)), Placed(msa, "msa", "s", (0,))])
