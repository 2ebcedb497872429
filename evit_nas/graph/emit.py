"""From an architecture to TFLite operators: `emit` for a network, `emit_block` for one block.

Ours: NHWC, BatchNorm folded, attention with the projection folded in, bicubic written separably, row strips where the
schedule says so; one delegate partition. The authors': the operator list of the official exporter (explicit PAD on all
sides before stride 2, v padded with ones, transposes around the attention). The official exporter swaps bilinear
upsampling in; a bicubic architecture keeps bicubic here (in our form): both lowerings compute the same function.
Weights are `Param`s, named by the official state_dict; `evit_nas.tflite.weights` turns them into data.
"""

from __future__ import annotations

from typing import Literal

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
    StemConv,
    layout,
)
from evit_nas.graph.builder import GraphBuilder, Shape
from evit_nas.graph.emit_attention import emit_msa
from evit_nas.graph.emit_authors import emit_msa_authors
from evit_nas.graph.emit_conv import emit_dsconv, emit_fused_mbconv, emit_head_out, emit_mbconv, emit_stem
from evit_nas.graph.emit_head import emit_cls_out, emit_head_add, emit_head_input
from evit_nas.graph.lowering import OURS, Lowering
from evit_nas.graph.opgraph import OpGraph
from evit_nas.space.arch import ArchConfig, Resolution

Output = Literal["logits", "resized", "argmax"]


def emit(arch: ArchConfig, resolution: Resolution, lowering: Lowering = OURS) -> OpGraph:
    """The graph of a network.

    Normalised RGB [1, H, W, 3] in; logits [1, H / stride, W / stride, classes] or [1, classes] out.
    """
    b = GraphBuilder()
    image = b.input((1, *resolution, 3))
    outputs: list[str] = []
    for item in layout(arch, resolution):
        b.place(item.stage, item.path)
        inputs = tuple(image if index < 0 else outputs[index] for index in item.inputs)
        outputs.append(_emit(b, item.block, inputs, lowering, lowering.schedule.count(item.path)))
    return b.finish(outputs[-1:])


def emit_block(block: Block, lowering: Lowering = OURS, strips: int = 1) -> OpGraph:
    """One block alone: its inputs are the graph's inputs; weights are named relative to the block."""
    b = GraphBuilder()
    inputs = tuple(b.input(shape) for shape in input_shapes(block))
    return b.finish([_emit(b, block, inputs, lowering, strips)])


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


def _emit(b: GraphBuilder, block: Block, inputs: tuple[str, ...], lowering: Lowering, strips: int) -> str:
    x, style = inputs[0], lowering.style
    match block:
        case StemConv():
            return emit_stem(b, block, x, style)
        case DSConv():
            return emit_dsconv(b, block, x)
        case MBConv():
            return emit_mbconv(b, block, x, style, strips)
        case FusedMBConv():
            return emit_fused_mbconv(b, block, x, strips)
        case Msa():
            return emit_msa_authors(b, block, x) if style == "authors" else emit_msa(b, block, x)
        case HeadInput():
            return emit_head_input(b, block, x)
        case HeadAdd():
            return emit_head_add(b, inputs)
        case HeadOut():
            return emit_head_out(b, block, x, strips)
        case ClsOut():
            return emit_cls_out(b, block, x)
