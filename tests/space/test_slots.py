"""Slots against the real layout: they partition it, and their columns decide their blocks."""

from __future__ import annotations

import numpy as np
import pytest

from evit_nas.graph.blocks import layout
from evit_nas.space.dimension import Slot
from evit_nas.space.space import SearchSpace, load_space

NAMES = ["efficientvit-seg", "efficientvit-cls", "efficientvit-seg-small"]


def _blocks(
    space: SearchSpace, slots: tuple[Slot, ...], rows: np.ndarray[tuple[int, ...], np.dtype[np.int32]]
) -> list[list[tuple[object, ...]]]:
    """Blocks of each row in each slot, as batch scoring sees them."""
    result = []
    for candidate in space.decode(rows):
        placed = layout(candidate.arch, candidate.resolution)
        result.append([tuple(item.block for item in placed if slot.holds(item.path)) for slot in slots])
    return result


@pytest.mark.parametrize("name", NAMES)
def test_slots_hold_every_block_once(name: str) -> None:
    space = load_space(name)
    slots = space.slots()
    for candidate in [*space.sample(0, 40), space.largest(), space.smallest()]:
        for placed in layout(candidate.arch, candidate.resolution):
            assert sum(slot.holds(placed.path) for slot in slots) == 1, placed.path


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("restrict", [False, True])
def test_rows_that_agree_on_the_columns_have_equal_blocks(name: str, restrict: bool) -> None:
    space = load_space(name)
    if restrict:
        space = space.restrict(frozenset({"width", "depth", "resolution", "head"}))
    slots = space.slots()
    rng = np.random.default_rng(7)
    first, second = space.sample_rows(1, 30), space.sample_rows(2, 30)
    for i, slot in enumerate(slots):
        columns = list(slot.columns)
        row = int(rng.integers(len(first)))
        crossed = second[[row]].copy()
        crossed[:, columns] = first[row, columns]  # all else differs
        crossed = space.canonical(crossed)
        if np.array_equal(crossed[0, columns], first[row, columns]):
            (one,), (other,) = _blocks(space, slots, first[[row]]), _blocks(space, slots, crossed)
            assert one[i] == other[i]
    seen: dict[tuple[int, tuple[int, ...]], tuple[object, ...]] = {}
    for blocks, row in zip(_blocks(space, slots, first), first.tolist(), strict=True):
        for i, (slot, found) in enumerate(zip(slots, blocks, strict=True)):
            assert seen.setdefault((i, tuple(row[c] for c in slot.columns)), found) == found


def test_columns_are_few() -> None:
    """The attention of a block depends on nothing beyond its own choices, its stage and the input."""
    space = load_space()
    slot = next(slot for slot in space.slots() if slot.holds("backbone.stages.2.op_list.2.context_module.main"))
    assert {space.dimensions[c].name for c in slot.columns} == {
        "resolution",
        "head_dim",
        "stage3.width",
        "stage3.depth",
        "stage3.block2.msa",
        "stage3.block2.scales",
        "stage3.block2.heads_ratio",
    }


def test_a_prefix_is_a_path_or_a_folder() -> None:
    exact, folder = Slot(prefixes=("head",), columns=()), Slot(prefixes=("backbone.input_stem.",), columns=())
    assert exact.holds("head")
    assert not exact.holds("head.middle.op_list.0.main")
    assert folder.holds("backbone.input_stem.op_list.0")
    assert not folder.holds("backbone.input_stem")
