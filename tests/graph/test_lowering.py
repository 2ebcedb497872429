"""Schedules: which blocks may run in strips together, how many strips, and what is refused."""

from __future__ import annotations

import pytest

from evit_nas.errors import InputError
from evit_nas.graph.blocks import DSConv, HeadOut, MBConv, Msa, Placed, StemConv
from evit_nas.graph.emit import emit
from evit_nas.graph.lowering import Group, Lowering, Schedule, chains, strip_count, strip_schedule, working_bytes
from evit_nas.space.arch import named_arch

B0, SIZE = named_arch("b0"), (512, 1024)
STEM, DS = "backbone.input_stem.op_list.0", "backbone.input_stem.op_list.1.main"
FIRST, SECOND = "backbone.stages.0.op_list.0.main", "backbone.stages.0.op_list.1.main"


def test_schedule_refuses_what_cannot_be() -> None:
    with pytest.raises(InputError, match="0 strips"):
        Schedule.of([Group(("head",), 0)])
    with pytest.raises(InputError, match="'a' is in two groups"):
        Schedule.of([Group(("a", "b"), 2), Group(("a",), 3)])
    with pytest.raises(InputError, match="no row strips"):
        Lowering(style="authors", schedule=Schedule.of([Group((STEM,), 2)]))


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (("head.nowhere",), "has no 'head.nowhere'"),
        ((STEM, FIRST), "no consecutive blocks"),
        (("head.add", "head.middle.op_list.0.main"), "HeadAdd cannot run"),
        (("backbone.stages.1.op_list.1.main", "backbone.stages.2.op_list.0.main"), "no consecutive blocks"),
    ],
    ids=["unknown", "a gap", "no strips", "read by the head too"],
)
def test_a_network_refuses_groups_that_are_not_its_own(paths: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        emit(B0, SIZE, Lowering(schedule=Schedule.of([Group(paths, 2)])))


def test_one_strip_is_the_plain_form() -> None:
    assert Schedule.of([Group((STEM, DS), 1)]) == Schedule()
    assert Schedule.of([Group((DS,), 2), Group((STEM,), 3)]).groups[0].paths == (STEM,)
    assert Schedule.of([Group((STEM, DS), 2), Group((SECOND,), 3)]).blocks == 3


def test_chains_are_of_large_blocks_that_only_the_next_one_reads() -> None:
    paths = [tuple(item.path for item in chain) for chain in chains(B0, SIZE, 6e6)]
    assert paths[0][:4] == (STEM, DS, FIRST, SECOND)
    assert ("head.middle.op_list.0.main", "head.output_ops.0") in paths
    assert not any(isinstance(item.block, Msa) for chain in chains(B0, SIZE, 0) for item in chain)
    ends = {item.path for chain in chains(B0, (1024, 2048), 0) for item in chain[:-1]}
    assert "backbone.stages.1.op_list.1.main" not in ends  # the head reads it too
    for chain in chains(B0, SIZE, 6e6):
        assert all(working_bytes(item.block) > 6e6 for item in chain)


def test_strips_by_size() -> None:
    schedule = strip_schedule(B0, SIZE)
    assert schedule.groups == (Group((FIRST, SECOND), 8),)  # 256 x 512 x 32 floats: 16.8 MB


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (StemConv(64, 32, 8, "hswish"), 4 * (64 * 32 * 3 + 32 * 16 * 8)),
        (DSConv(32, 16, 8, "hswish"), 4 * 2 * 32 * 16 * 8),
        (MBConv(32, 16, 8, 16, 4, 3, 2, "hswish", False, False), 4 * (32 * 16 * 32 + 16 * 8 * 32)),
        (HeadOut(32, 16, 8, None, 19, "hswish"), 0),
    ],
)
def test_what_the_plain_form_moves(block: StemConv | DSConv | MBConv | HeadOut, expected: int) -> None:
    assert working_bytes(block) == expected


@pytest.mark.parametrize(("rows", "most"), [(1024, 128), (16, 2), (6, 1)])
def test_a_strip_has_four_rows_at_least(rows: int, most: int) -> None:
    first = MBConv(rows, 2048, 64, 64, 4, 3, 2, "hswish", False, False)
    chain = [
        Placed(block, "", "", ()) for block in (first, MBConv(rows // 2, 1024, 64, 64, 4, 3, 1, "hswish", True, True))
    ]
    assert strip_count(chain, 1.0) == most
    assert strip_count(chain, 1e12) == 1
