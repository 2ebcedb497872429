"""Convolution blocks as operators, plain or in horizontal strips.

Upstream pads k // 2 on every side, also at stride 2. TFLite's SAME puts all the padding of an even map at the bottom
and right there, which is another function, so stride 2 is an explicit PAD and a VALID convolution; XNNPACK takes the
PAD into the convolution at no cost. At stride 1 SAME and upstream agree.

Strips are bit-equal to the plain form: each computes the expanded map of the input rows that its output rows need.

XNNPACK has no depthwise microkernel above 25 taps, and its general one is ten times slower an element. A larger kernel
is therefore the sum of convolutions with some of its rows each (ours only); equal up to the order of summation.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from evit_nas.graph.blocks import DSConv, FusedMBConv, HeadOut, MBConv, StemConv
from evit_nas.graph.builder import GraphBuilder
from evit_nas.graph.lowering import Style
from evit_nas.graph.opgraph import Attrs

Weights = tuple[str, str]  # names of a convolution's weight and bias

NORM: Attrs = (("norm", True),)
PLAIN_CONV: Attrs = (("norm", False),)
_BIAS_OF_NORM: Attrs = (("bias", False), ("norm", True))
_BIAS_ALONE: Attrs = (("bias", True), ("norm", False))


Pads = tuple[int, int, int, int]  # zeros at the top, bottom, left and right
MAX_TAPS = 25  # of XNNPACK's fast depthwise kernels


def conv_weights(b: GraphBuilder, source: str, cout: int, kernel: int, cin: int, *, bias: bool = False) -> Weights:
    """A dense ConvLayer: BatchNorm folded in, or its own bias where `bias`."""
    weight = b.param((cout, kernel, kernel, cin), "conv_weight", source, PLAIN_CONV if bias else NORM)
    return weight, b.param((cout,), "conv_bias", source, _BIAS_ALONE if bias else _BIAS_OF_NORM)


def depthwise_weights(b: GraphBuilder, source: str, channels: int, kernel: int, *, bias: bool = False) -> Weights:
    """A depthwise ConvLayer, folded alike."""
    weight = b.param((1, kernel, kernel, channels), "depthwise_weight", source, PLAIN_CONV if bias else NORM)
    return weight, b.param((channels,), "conv_bias", source, _BIAS_ALONE if bias else _BIAS_OF_NORM)


def depthwise_row_weights(
    b: GraphBuilder, source: str, channels: int, kernel: int, *, bias: bool = False
) -> tuple[Weights, ...]:
    """The same in groups of at most MAX_TAPS taps; the bias goes with the middle row, which every map has."""
    norm = PLAIN_CONV if bias else NORM
    step = MAX_TAPS // kernel
    groups = []
    for first in range(0, kernel, step):
        last = min(first + step, kernel)
        args: Attrs = (("first", first), ("last", last), *norm)
        weight = b.param((1, last - first, kernel, channels), "depthwise_weight", source, args)
        own = _BIAS_ALONE if bias else _BIAS_OF_NORM
        middle = first <= kernel // 2 < last
        groups.append((weight, b.param((channels,), "conv_bias", source, own) if middle else b.zeros(channels)))
    return tuple(groups)


def fused(activation: str) -> str:
    """The activation that the runtime computes inside the convolution; hard-swish is a pass of its own."""
    return {"hswish": "NONE", "relu": "RELU", "relu6": "RELU6"}[activation]


def conv_act(b: GraphBuilder, x: str, weights: Weights, activation: str, stride: int = 1, padding: str = "SAME") -> str:
    y = b.conv(x, *weights, stride=stride, padding=padding, activation=fused(activation))
    return b.activate(y, activation) if activation == "hswish" else y


def depthwise_act(
    b: GraphBuilder, x: str, weights: Weights, activation: str, stride: int = 1, padding: str = "SAME"
) -> str:
    y = b.depthwise(x, *weights, stride=stride, padding=padding, activation=fused(activation))
    return b.activate(y, activation) if activation == "hswish" else y


def depthwise_by_rows(
    b: GraphBuilder, x: str, groups: tuple[Weights, ...], activation: str, stride: int, pads: Pads
) -> str:
    """A depthwise convolution of the padded map as the sum over groups of its kernel's rows."""
    top, bottom, left, right = pads
    _, height, _, _ = b.shape(x)
    kernel = sum(b.shape(weight)[1] for weight, _ in groups)
    outputs = (height + top + bottom - kernel) // stride + 1
    parts, row = [], -top
    for weight, bias in groups:
        taps = b.shape(weight)[1]
        stop = row + (outputs - 1) * stride + taps
        low, high = max(row, 0), min(stop, height)
        if low < high:  # else these rows of the kernel see nothing but zeros
            part = b.pad(b.rows(x, low, high), low - row, stop - high, left, right)
            parts.append(b.depthwise(part, weight, bias, stride=stride, padding="VALID"))
        row += taps
    total = parts[0]
    for part in parts[1:]:
        total = b.binary("ADD", total, part)
    return b.activate(total, activation)


def pad_stride2(b: GraphBuilder, x: str, kernel: int, style: Style) -> str:
    """Upstream's k // 2 around an even map. The last bottom and right lines are never read: only the authors pad."""
    before = kernel // 2
    after = before if style == "authors" else before - 1
    return b.pad(x, before, after, before, after)


def strip_edges(rows: int, strips: int) -> list[tuple[int, int]]:
    """First and last-plus-one output row of each strip, as even as can be."""
    edges = [rows * i // strips for i in range(strips + 1)]
    return [(start, stop) for start, stop in pairwise(edges) if start < stop]


def emit_stem(b: GraphBuilder, block: StemConv, x: str, style: Style) -> str:
    """[1, H, W, 3] -> [1, H / 2, W / 2, cout]."""
    weights = conv_weights(b, "", block.cout, 3, 3)
    return conv_act(b, pad_stride2(b, x, 3, style), weights, block.activation, 2, "VALID")


def emit_dsconv(b: GraphBuilder, block: DSConv, x: str) -> str:
    depthwise = depthwise_weights(b, "depth_conv", block.channels, 3)
    y = depthwise_act(b, x, depthwise, block.activation)
    y = b.conv(y, *conv_weights(b, "point_conv", block.channels, 1, block.channels))
    return b.binary("ADD", y, x)


def emit_mbconv(b: GraphBuilder, block: MBConv, x: str, style: Style, strips: int) -> str:
    """[1, H, W, cin] -> [1, H / stride, W / stride, cout], in `strips` bands of output rows."""
    mid, side = block.cin * block.expand, block.kernel // 2
    expand = conv_weights(b, "inverted_conv", mid, 1, block.cin, bias=block.bias)
    middle = _middle(b, block, mid, style)
    project = conv_weights(b, "point_conv", block.cout, 1, mid)
    # upstream pads k // 2 all around; at stride 2 the last lines of an even map are never read, so only the authors do
    after = side if block.stride == 1 or style == "authors" else side - 1

    def whole() -> str:
        y = conv_act(b, x, expand, block.activation)
        return b.conv(middle(y, (side, after, side, after)), *project)

    def band(start: int, stop: int) -> str:
        first, last = start * block.stride - side, (stop - 1) * block.stride - side + block.kernel
        low, high = max(first, 0), min(last, block.height)
        y = conv_act(b, b.rows(x, low, high), expand, block.activation)
        return b.conv(middle(y, (low - first, last - high, side, after)), *project)

    y = _in_strips(b, block.height // block.stride, strips, whole, band)
    return b.binary("ADD", y, x) if block.residual else y


def _middle(b: GraphBuilder, block: MBConv, channels: int, style: Style) -> Callable[[str, Pads], str]:
    """The block's depthwise convolution and activation, of a map that still lacks its zeros."""
    if style == "ours" and block.kernel**2 > MAX_TAPS:
        groups = depthwise_row_weights(b, "depth_conv", channels, block.kernel, bias=block.bias)
        return lambda y, pads: depthwise_by_rows(b, y, groups, block.activation, block.stride, pads)
    weights = depthwise_weights(b, "depth_conv", channels, block.kernel, bias=block.bias)

    def one(y: str, pads: Pads) -> str:
        if block.stride == 1 and set(pads) == {block.kernel // 2}:
            return depthwise_act(b, y, weights, block.activation)
        return depthwise_act(b, b.pad(y, *pads), weights, block.activation, block.stride, "VALID")

    return one


def emit_fused_mbconv(b: GraphBuilder, block: FusedMBConv, x: str, strips: int) -> str:
    """[1, H, W, C] -> the same shape."""
    mid, side = block.channels * block.expand, block.kernel // 2
    spatial = conv_weights(b, "spatial_conv", mid, block.kernel, block.channels)
    project = conv_weights(b, "point_conv", block.channels, 1, mid)

    def whole() -> str:
        return b.conv(conv_act(b, x, spatial, block.activation), *project)

    def band(start: int, stop: int) -> str:
        first, last = start - side, stop + side
        low, high = max(first, 0), min(last, block.height)
        y = b.pad(b.rows(x, low, high), low - first, last - high, side, side)
        return b.conv(conv_act(b, y, spatial, block.activation, padding="VALID"), *project)

    return b.binary("ADD", _in_strips(b, block.height, strips, whole, band), x)


def emit_head_out(b: GraphBuilder, block: HeadOut, x: str, strips: int) -> str:
    """[1, H, W, C] -> logits [1, H, W, classes]."""
    if block.final_expand is None:
        return b.conv(x, *conv_weights(b, "op_list.0", block.classes, 1, block.channels, bias=True))
    mid = block.channels * block.final_expand
    expand = conv_weights(b, "op_list.0", mid, 1, block.channels)
    classify = conv_weights(b, "op_list.1", block.classes, 1, mid, bias=True)

    def band(start: int, stop: int) -> str:
        return b.conv(conv_act(b, b.rows(x, start, stop), expand, block.activation), *classify)

    return _in_strips(b, block.height, strips, lambda: band(0, block.height), band)


def _in_strips(
    b: GraphBuilder, rows: int, strips: int, whole: Callable[[], str], band: Callable[[int, int], str]
) -> str:
    if strips == 1:
        return whole()
    return b.concat([band(start, stop) for start, stop in strip_edges(rows, strips)], 1)
