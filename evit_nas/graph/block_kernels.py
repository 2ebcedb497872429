"""The kernels of one block as it runs inside a network: what tables, predictors and batch scoring sum over."""

from __future__ import annotations

from evit_nas.graph.blocks import Block
from evit_nas.graph.emit import emit_block
from evit_nas.graph.fuse import fuse
from evit_nas.graph.kernel import Kernel
from evit_nas.graph.lowering import OURS, Lowering


def block_kernels(block: Block, lowering: Lowering = OURS) -> tuple[Kernel, ...]:
    """Kernels in execution order, plain (no strips). Those of all blocks of a network are those of the network.

    One exception: the authors' attention cuts the delegate's partition, so that a bicubic map of stage 3 leaves it; the
    copy of that one RESHAPE is not counted here (the published networks upsample bilinearly in that lowering).
    """
    return fuse(emit_block(block, lowering), inside=True).kernels
