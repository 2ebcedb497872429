"""Blocks one by one run the kernels of the network: what batch scoring rests on."""

from __future__ import annotations

from collections import Counter

import pytest

from evit_nas.graph.block_kernels import block_kernels
from evit_nas.graph.blocks import HeadInput, layout
from evit_nas.graph.emit import emit, emit_block
from evit_nas.graph.fuse import fuse
from evit_nas.graph.lowering import AUTHORS, OURS, Lowering
from evit_nas.space.arch import named_arch


@pytest.mark.parametrize("lowering", [OURS, AUTHORS], ids=["ours", "authors"])
@pytest.mark.parametrize("name", ["b0", "b1-ade20k", "b0-cls"])
@pytest.mark.parametrize("resolution", [(64, 96), (544, 32)])
def test_blocks_sum_to_the_network(name: str, resolution: tuple[int, int], lowering: Lowering) -> None:
    arch = named_arch(name, upsample="bicubic" if lowering == OURS else "bilinear")
    parts = [k.signature for placed in layout(arch, resolution) for k in block_kernels(placed.block, lowering)]
    whole = [kernel.signature for kernel in fuse(emit(arch, resolution, lowering)).kernels]
    assert Counter(parts) == Counter(whole)  # where the delegate's partition is cut, the order is another
    assert lowering != OURS or parts == whole


def test_a_reshape_at_the_end_of_a_block_is_no_copy() -> None:
    graph = emit_block(HeadInput(8, 8, 32, 16, 2, "bicubic"))
    assert graph.ops[-1].kind == "RESHAPE"
    assert [k.signature for k in fuse(graph).kernels[:-1]] == [k.signature for k in fuse(graph, inside=True).kernels]
