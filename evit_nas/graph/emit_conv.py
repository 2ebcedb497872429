"""Convolution blocks as operators, whole or some of their rows (`Banded`).

Upstream pads k // 2 on every side, also at stride 2. TFLite's SAME puts all the padding of an even map at the bottom
and right there, which is another function, so stride 2 is an explicit PAD and a VALID convolution; XNNPACK takes the
PAD into the convolution at no cost. At stride 1 SAME and upstream agree.

XNNPACK has no depthwise microkernel above 25 taps, and its general one is ten times slower an element. A larger kernel
is therefore the sum of convolutions with some of its rows each (ours only); equal up to the order of summation.
"""

from __future__ import annotations

from collections.abc import Callable

from evit_nas.graph.blocks import DSConv, FusedMBConv, HeadOut, MBConv, StemConv
from evit_nas.graph.builder import GraphBuilder
from evit_nas.graph.emit_strips import Banded, Pads, Rows, Sweep
from evit_nas.graph.lowering import Style
from evit_nas.graph.opgraph import Attrs

Weights = tuple[str, str]  # names of a convolution's weight and bias

NORM: Attrs = (("norm", True),)
PLAIN_CONV: Attrs = (("norm", False),)
_BIAS_OF_NORM: Attrs = (("bias", False), ("norm", True))
_BIAS_ALONE: Attrs = (("bias", True), ("norm", False))
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


def stem(b: GraphBuilder, block: StemConv, style: Style) -> Banded:
    """[1, H, W, 3] -> [1, H / 2, W / 2, cout]."""
    weights, sweep = conv_weights(b, "", block.cout, 3, 3), Sweep(block.height, 3, 2)

    def emit(x: str, rows: Rows) -> str:
        x, padding = _padded(b, x, sweep, rows, style)
        return conv_act(b, x, weights, block.activation, 2, padding)

    return Banded(sweep, b.here, emit)


def dsconv(b: GraphBuilder, block: DSConv, style: Style) -> Banded:
    """[1, H, W, C] -> the same shape."""
    sweep = Sweep(block.height, 3)
    depthwise = depthwise_weights(b, "depth_conv", block.channels, 3)
    point = conv_weights(b, "point_conv", block.channels, 1, block.channels)

    def emit(x: str, rows: Rows) -> str:
        y, padding = _padded(b, x, sweep, rows, style)
        y = b.conv(depthwise_act(b, y, depthwise, block.activation, 1, padding), *point)
        return _shortcut(b, y, x, sweep, rows)

    return Banded(sweep, b.here, emit)


def mbconv(b: GraphBuilder, block: MBConv, style: Style) -> Banded:
    """[1, H, W, cin] -> [1, H / stride, W / stride, cout]."""
    mid, sweep = block.cin * block.expand, Sweep(block.height, block.kernel, block.stride)
    expand = conv_weights(b, "inverted_conv", mid, 1, block.cin, bias=block.bias)
    middle = _middle(b, block, mid, style)
    project = conv_weights(b, "point_conv", block.cout, 1, mid)

    def emit(x: str, rows: Rows) -> str:
        y = b.conv(middle(conv_act(b, x, expand, block.activation), rows), *project)
        return _shortcut(b, y, x, sweep, rows) if block.residual else y

    return Banded(sweep, b.here, emit)


def _middle(b: GraphBuilder, block: MBConv, channels: int, style: Style) -> Callable[[str, Rows], str]:
    """The block's depthwise convolution and activation: output rows of a map that still lacks its zeros."""
    sweep = Sweep(block.height, block.kernel, block.stride)
    if style == "ours" and block.kernel**2 > MAX_TAPS:
        groups = depthwise_row_weights(b, "depth_conv", channels, block.kernel, bias=block.bias)
        return lambda y, rows: depthwise_by_rows(
            b, y, groups, block.activation, block.stride, sweep.pads(rows, all_sides=False)
        )
    weights = depthwise_weights(b, "depth_conv", channels, block.kernel, bias=block.bias)

    def one(y: str, rows: Rows) -> str:
        y, padding = _padded(b, y, sweep, rows, style)
        return depthwise_act(b, y, weights, block.activation, block.stride, padding)

    return one


def fused_mbconv(b: GraphBuilder, block: FusedMBConv, style: Style) -> Banded:
    """[1, H, W, C] -> the same shape."""
    mid, sweep = block.channels * block.expand, Sweep(block.height, block.kernel)
    spatial = conv_weights(b, "spatial_conv", mid, block.kernel, block.channels)
    project = conv_weights(b, "point_conv", block.channels, 1, mid)

    def emit(x: str, rows: Rows) -> str:
        y, padding = _padded(b, x, sweep, rows, style)
        y = b.conv(conv_act(b, y, spatial, block.activation, padding=padding), *project)
        return _shortcut(b, y, x, sweep, rows)

    return Banded(sweep, b.here, emit)


def head_out(b: GraphBuilder, block: HeadOut) -> Banded:
    """[1, H, W, C] -> logits [1, H, W, classes]."""
    sweep = Sweep(block.height, 1)
    if block.final_expand is None:
        only = conv_weights(b, "op_list.0", block.classes, 1, block.channels, bias=True)
        return Banded(sweep, b.here, lambda x, rows: b.conv(x, *only))
    mid = block.channels * block.final_expand
    expand = conv_weights(b, "op_list.0", mid, 1, block.channels)
    classify = conv_weights(b, "op_list.1", block.classes, 1, mid, bias=True)
    return Banded(sweep, b.here, lambda x, rows: b.conv(conv_act(b, x, expand, block.activation), *classify))


def _padded(b: GraphBuilder, x: str, sweep: Sweep, rows: Rows, style: Style) -> tuple[str, str]:
    """The map under the output rows `rows` as a convolution wants it, and that convolution's padding."""
    pads = sweep.pads(rows, all_sides=style == "authors")
    if sweep.stride == 1 and set(pads) == {sweep.kernel // 2}:
        return x, "SAME"
    return b.pad(x, *pads), "VALID"


def _shortcut(b: GraphBuilder, y: str, x: str, sweep: Sweep, rows: Rows) -> str:
    """The output rows `rows` plus those rows of the input, of which `x` holds all that they were made from."""
    first = sweep.reads(rows)[0]
    return b.binary("ADD", y, b.rows(x, rows[0] - first, rows[1] - first))
