"""Bringing the head's inputs together, and the classification head, as operators."""

from __future__ import annotations

from functools import reduce

import numpy as np

from evit_nas.graph.blocks import ClsOut, HeadInput
from evit_nas.graph.builder import GraphBuilder
from evit_nas.graph.emit_conv import conv_act, conv_weights
from evit_nas.graph.emit_upsample import emit_upsample

LAYER_NORM_EPS = 1e-5


def emit_head_input(b: GraphBuilder, block: HeadInput, x: str) -> str:
    """[1, H, W, cin] -> [1, f H, f W, channels]: the 1x1 first, fewer channels to upsample."""
    source = "op_list.0" if block.factor > 1 else ""  # upstream has no list without upsampling
    y = b.conv(x, *conv_weights(b, source, block.channels, 1, block.cin))
    return emit_upsample(b, y, block.factor, block.upsample)


def emit_head_add(b: GraphBuilder, maps: tuple[str, ...]) -> str:
    return reduce(lambda a, y: b.binary("ADD", a, y), maps)


def emit_cls_out(b: GraphBuilder, block: ClsOut, x: str) -> str:
    """[1, H, W, cin] -> logits [1, classes]."""
    first, second = block.widths
    y = conv_act(b, x, conv_weights(b, "op_list.0", first, 1, block.cin), block.activation)
    y = b.reshape(b.reduce("MEAN", y, (1, 2)), 1, first)
    y = b.linear(y, b.param((second, first), "linear_weight", "op_list.2.linear"), b.zeros(second))
    y = b.activate(_layer_norm(b, y, second), block.activation)
    weight = b.param((block.classes, second), "linear_weight", "op_list.3.linear")
    return b.linear(y, weight, b.param((block.classes,), "vector", "op_list.3.linear.bias"))


def _layer_norm(b: GraphBuilder, x: str, width: int) -> str:
    """LayerNorm over the last axis of [1, width] out of operators that the delegate takes."""
    mean = b.reduce("MEAN", x, (1,))
    variance = b.reduce("MEAN", b.binary("SQUARED_DIFFERENCE", x, mean), (1,))
    scale = b.unary("RSQRT", b.binary("ADD", variance, b.constant(np.array([LAYER_NORM_EPS], np.float32))))
    y = b.binary("MUL", b.binary("SUB", x, mean), scale)
    y = b.binary("MUL", y, b.param((width,), "vector", "op_list.2.norm.weight"))
    return b.binary("ADD", y, b.param((width,), "vector", "op_list.2.norm.bias"))
