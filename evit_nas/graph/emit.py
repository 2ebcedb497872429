"""From an architecture to TFLite operators: `emit` for a network, `emit_block` for one block.

Ours: NHWC, BatchNorm folded, attention with the projection folded in, bicubic written separably, row strips where the
schedule says so; one delegate partition. The authors': the operator list of the official exporter (explicit PAD on all
sides before stride 2, v padded with ones, transposes around the attention). The official exporter swaps bilinear
upsampling in; a bicubic architecture keeps bicubic here (in our form): both lowerings compute the same function.
Weights are `Param`s, named by the official state_dict; `evit_nas.tflite.weights` turns them into data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from evit_nas.errors import InputError
from evit_nas.graph.blocks import (
    Block,
    ClsOut,
    DSConv,
    FusedMBConv,
    HeadAdd,
    HeadInput,
    HeadOut,
    MBConv,
    Msa,
    Placed,
    StemConv,
    layout,
)
from evit_nas.graph.builder import GraphBuilder, Shape
from evit_nas.graph.emit_attention import emit_msa
from evit_nas.graph.emit_authors import emit_msa_authors
from evit_nas.graph.emit_conv import dsconv, fused_mbconv, head_out, mbconv, stem
from evit_nas.graph.emit_head import emit_cls_out, emit_head_add, emit_head_input
from evit_nas.graph.emit_strips import Banded, in_strips
from evit_nas.graph.lowering import OURS, Lowering, Style, runs
from evit_nas.graph.opgraph import OpGraph
from evit_nas.space.arch import ArchConfig, Resolution

Output = Literal["logits", "resized", "argmax"]


def emit(arch: ArchConfig, resolution: Resolution, lowering: Lowering = OURS) -> OpGraph:
    """The graph of a network.

    Normalised RGB [1, H, W, 3] in; logits [1, H / stride, W / stride, classes] or [1, classes] out.
    """
    b = GraphBuilder()
    placed = layout(arch, resolution)
    outputs = {-1: b.input((1, *resolution, 3))}  # by index of the block; those inside of a group are nobody else's
    for start, stop, strips in runs(placed, lowering.schedule):
        inputs = tuple(outputs[index] for index in placed[start].inputs)
        outputs[stop - 1] = _emit(b, placed[start:stop], inputs, lowering, strips)
    return b.finish([outputs[len(placed) - 1]])


def emit_block(block: Block, lowering: Lowering = OURS) -> OpGraph:
    """One block alone: its inputs are the graph's inputs; weights are named relative to the block."""
    return emit_chain((Placed(block, "", "", ()),), lowering)


def emit_chain(chain: Sequence[Placed], lowering: Lowering = OURS, strips: int = 1) -> OpGraph:
    """Consecutive blocks alone, each fed by the one before, in `strips` strips; several must be convolutional."""
    b = GraphBuilder()
    inputs = tuple(b.input(shape) for shape in input_shapes(chain[0].block))
    return b.finish([_emit(b, chain, inputs, lowering, strips)])


def input_shapes(block: Block) -> tuple[Shape, ...]:
    """NHWC shapes of the maps that `block` reads."""
    match block:
        case StemConv():
            return ((1, block.height, block.width, 3),)
        case MBConv() | ClsOut() | HeadInput():
            return ((1, block.height, block.width, block.cin),)
        case HeadAdd():
            return ((1, block.height, block.width, block.channels),) * block.count
        case _:
            return ((1, block.height, block.width, block.channels),)


def with_output(graph: OpGraph, output: Output) -> OpGraph:
    """A segmentation graph that ends in logits, in logits resized to the input (bilinear), or in class ids (int32)."""
    if output == "logits":
        return graph
    b = GraphBuilder.of(graph)
    b.place(graph.ops[-1].stage, graph.ops[-1].block)
    _, height, width, _ = graph.tensors[graph.inputs[0]].shape
    y = b.resize_bilinear(graph.outputs[0], height, width)
    return b.finish([b.argmax(y) if output == "argmax" else y])


def _emit(b: GraphBuilder, chain: Sequence[Placed], inputs: tuple[str, ...], lowering: Lowering, strips: int) -> str:
    first = chain[0]
    b.place(first.stage, first.path)
    match first.block:
        case Msa() | HeadInput() | HeadAdd() | ClsOut() as block if len(chain) == strips == 1:
            return _whole(b, block, inputs, lowering.style)
        case _:
            return in_strips(b, [_banded(b, item, lowering.style) for item in chain], inputs[0], strips)


def _whole(b: GraphBuilder, block: Msa | HeadInput | HeadAdd | ClsOut, inputs: tuple[str, ...], style: Style) -> str:
    match block:
        case Msa():
            return emit_msa_authors(b, block, inputs[0]) if style == "authors" else emit_msa(b, block, inputs[0])
        case HeadInput():
            return emit_head_input(b, block, inputs[0])
        case HeadAdd():
            return emit_head_add(b, inputs)
        case ClsOut():
            return emit_cls_out(b, block, inputs[0])


def _banded(b: GraphBuilder, item: Placed, style: Style) -> Banded:
    b.place(item.stage, item.path)
    block = item.block
    match block:
        case StemConv():
            return stem(b, block, style)
        case DSConv():
            return dsconv(b, block, style)
        case MBConv():
            return mbconv(b, block, style)
        case FusedMBConv():
            return fused_mbconv(b, block, style)
        case HeadOut():
            return head_out(b, block)
        case _:
            raise InputError(f"{item.path}: a {type(block).__name__} cannot run in row strips")
