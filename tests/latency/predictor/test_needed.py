"""The extremes of a space, once measured, leave nothing outside of the hull."""

from __future__ import annotations

import pytest

from evit_nas.graph.block_kernels import block_kernels
from evit_nas.graph.blocks import Block, layout
from evit_nas.graph.emit import emit_block
from evit_nas.graph.fuse import fuse
from evit_nas.graph.kernel import KernelSignature
from evit_nas.latency.predictor.coverage import Ranges
from evit_nas.latency.predictor.features import hull_axes
from evit_nas.latency.predictor.needed import corner_blocks, extreme_blocks, needed_ranges
from evit_nas.space.space import SearchSpace, load_space


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return load_space("efficientvit-seg-small")


@pytest.fixture(scope="module")
def corners(space: SearchSpace) -> tuple[Block, ...]:
    return corner_blocks(space)


def alone(blocks: tuple[Block, ...]) -> list[KernelSignature]:
    return [kernel.signature for block in blocks for kernel in fuse(emit_block(block)).kernels]


def member_kernels(space: SearchSpace) -> list[KernelSignature]:
    placed = [item for member in space.sample(3, 40) for item in layout(member.arch, member.resolution)]
    return [kernel.signature for item in placed for kernel in block_kernels(item.block)]


def test_the_corners_span_every_kernel_of_every_member(space: SearchSpace, corners: tuple[Block, ...]) -> None:
    needed = needed_ranges(corners)
    assert all(needed.holds(hull_axes(signature)) for signature in member_kernels(space))
    assert not needed_ranges(corners[:10]).holds(hull_axes(member_kernels(space)[-1]))


@pytest.mark.slow
def test_measuring_the_extremes_closes_the_hull(space: SearchSpace, corners: tuple[Block, ...]) -> None:
    chosen = extreme_blocks(space, ())
    hull = Ranges.of(hull_axes(signature) for signature in alone(chosen))
    members = member_kernels(space)
    assert sum(hull.holds(hull_axes(signature)) for signature in members) >= 0.99 * len(members)
    assert len(chosen) < len(corners) / 5


@pytest.mark.slow
def test_what_is_measured_is_not_asked_for_again(space: SearchSpace) -> None:
    first = extreme_blocks(space, ())
    again = extreme_blocks(space, alone(first))
    assert len(again) == 0
