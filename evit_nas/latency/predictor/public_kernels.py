"""The kernels of a public block, as TFLite with XNNPACK ran it: the op lists of the published block builders.

Hard-swish is a kernel of its own; BatchNorm is folded; ReLU and ReLU6 are fused. Squeeze-and-excite is a mean, two 1x1
convolutions on one pixel, a hard sigmoid (add with clamp, scale) and a multiplication.
"""

from __future__ import annotations

from functools import cache

from evit_nas.graph.kernel import KernelSignature, TensorType
from evit_nas.graph.signature import attrs_of
from evit_nas.latency.predictor.public_rows import PublicBlock

HEAD_WIDTH = 16
CLASSES = 1000
Signatures = tuple[KernelSignature, ...]
Shape = tuple[int, ...]


def public_kernels(block: PublicBlock) -> Signatures:
    """The kernels of `block` in order. Shapes are NHWC; tokens are [1, N, C]."""
    match block.block:
        case "firstconv":
            out = -(-block.hw_in // block.stride)
            return (
                dense(block.hw_in, block.cin, block.cout, block.kernel, block.stride),
                unary("HARD_SWISH", (1, out, out, block.cout)),
            )
        case "conv" | "transds":
            return _mbconv(block)
        case "transattn":
            return _attention(block)
        case "transffn":
            return _feed_forward(block)
        case _:
            return _pooled_head(block)


def _mbconv(block: PublicBlock) -> Signatures:
    side, out, mid = block.hw_in, -(-block.hw_in // block.stride), block.cin * block.expand
    kernels: list[KernelSignature] = []
    if block.block == "transds":
        kernels.append(reshape((1, side * side, block.cin), (1, side, side, block.cin)))
    if block.expand > 1:
        kernels += [dense(side, block.cin, mid, 1), unary("HARD_SWISH", (1, side, side, mid))]
    kernels += [depthwise(side, mid, block.kernel, block.stride), unary("HARD_SWISH", (1, out, out, mid))]
    if block.se or block.block == "transds":
        kernels += _squeeze_excite(out, mid)
    kernels.append(dense(out, mid, block.cout, 1))
    kernels += _shortcut(block, out)
    if block.block == "transds":
        kernels.append(reshape((1, out, out, block.cout), (1, out * out, block.cout)))
    return tuple(kernels)


def _squeeze_excite(side: int, channels: int) -> Signatures:
    """Mean over the map, two 1x1 convolutions, hard sigmoid and the scaling of the map."""
    vector, squeezed = (1, 1, 1, channels), max(1, channels // 4)
    return (
        mean((1, side, side, channels)),
        dense(1, channels, squeezed, 1, activation="RELU"),
        dense(1, squeezed, channels, 1),
        binary("ADD", vector, (), constant=True),
        binary("MUL", vector, (), constant=True),
        binary("MUL", (1, side, side, channels), vector),
    )


def _shortcut(block: PublicBlock, out: int) -> Signatures:
    shape = (1, out, out, block.cout)
    if block.cin == block.cout:
        return (binary("ADD", shape, shape),) if block.stride == 1 else ()
    kernels = [dense(out, block.cin, block.cout, 1), binary("ADD", shape, shape)]
    if block.stride == 2:
        kernels.insert(0, pool("AVERAGE_POOL_2D", block.hw_in, out, block.cin, 2, 2))
    return tuple(kernels)


def _attention(block: PublicBlock) -> Signatures:
    """LayerNorm, one product for q, k and v, softmax attention with head mixing and position bias, projection."""
    tokens, channels = block.hw_in**2, block.cin
    heads, value = max(1, channels // HEAD_WIDTH), HEAD_WIDTH * block.v_scale
    width = heads * (2 * HEAD_WIDTH + value)
    scores: Shape = (1, heads, tokens, tokens)
    mixed: Shape = (1, heads, tokens, value)
    return (
        *layer_norm(tokens, channels),
        linear(tokens, channels, width),
        unary("HARD_SWISH", (1, tokens, width)),
        transpose((1, tokens, heads, width // heads), (0, 2, 1, 3)),
        matmul(heads, tokens, HEAD_WIDTH, tokens),
        binary("MUL", scores, (), constant=True),
        binary("ADD", scores, scores[1:], constant=True),
        unary("SOFTMAX", scores),
        matmul(heads, tokens, tokens, value),
        transpose(mixed, (0, 2, 1, 3)),
        depthwise(block.hw_in, heads * value, 3, 1),
        unary("HARD_SWISH", (1, tokens, heads * value)),
        linear(tokens, heads * value, channels),
        binary("ADD", (1, tokens, channels), (1, tokens, channels)),
    )


def _feed_forward(block: PublicBlock) -> Signatures:
    tokens, channels, mid = block.hw_in**2, block.cin, block.cin * block.expand
    return (
        *layer_norm(tokens, channels),
        linear(tokens, channels, mid),
        unary("HARD_SWISH", (1, tokens, mid)),
        linear(tokens, mid, channels),
        binary("ADD", (1, tokens, channels), (1, tokens, channels)),
    )


def _pooled_head(block: PublicBlock) -> Signatures:
    side, mid = block.hw_in, block.cin * block.expand
    return (
        dense(side, block.cin, mid, 1),
        unary("HARD_SWISH", (1, side, side, mid)),
        mean((1, side, side, mid)),
        dense(1, mid, block.cout, 1),
        linear(1, block.cout, CLASSES),
    )


# --- one kernel each


def _type(shape: Shape, *, constant: bool = False) -> TensorType:
    return TensorType(shape, "float32", constant)


@cache
def dense(side: int, cin: int, cout: int, kernel: int, stride: int = 1, *, activation: str = "NONE") -> KernelSignature:
    """CONV_2D with SAME padding on a square map of `side`."""
    out = -(-side // stride)
    inputs = (
        _type((1, side, side, cin)),
        _type((cout, kernel, kernel, cin), constant=True),
        _type((cout,), constant=True),
    )
    return KernelSignature("CONV_2D", inputs, (_type((1, out, out, cout)),), _window(kernel, stride, activation))


@cache
def depthwise(side: int, channels: int, kernel: int, stride: int) -> KernelSignature:
    out = -(-side // stride)
    inputs = (
        _type((1, side, side, channels)),
        _type((1, kernel, kernel, channels), constant=True),
        _type((channels,), constant=True),
    )
    return KernelSignature(
        "DEPTHWISE_CONV_2D", inputs, (_type((1, out, out, channels)),), _window(kernel, stride, "NONE")
    )


def _window(kernel: int, stride: int, activation: str) -> tuple[tuple[str, str | int], ...]:
    padding = "VALID" if kernel == 1 else "SAME"
    return attrs_of(fused_activation=activation, padding=padding, stride_h=stride, stride_w=stride)  # type: ignore[return-value]


@cache
def linear(rows: int, cin: int, cout: int) -> KernelSignature:
    inputs = (_type((rows, cin)), _type((cout, cin), constant=True), _type((cout,), constant=True))
    return KernelSignature("FULLY_CONNECTED", inputs, (_type((rows, cout)),), attrs_of(fused_activation="NONE"))


@cache
def matmul(batch: int, rows: int, inner: int, columns: int) -> KernelSignature:
    inputs = (_type((1, batch, rows, inner)), _type((1, batch, inner, columns)))
    return KernelSignature("BATCH_MATMUL", inputs, (_type((1, batch, rows, columns)),), attrs_of(adj_y=False))


@cache
def unary(kind: str, shape: Shape) -> KernelSignature:
    return KernelSignature(kind, (_type(shape),), (_type(shape),))


@cache
def binary(kind: str, shape: Shape, other: Shape, *, constant: bool = False) -> KernelSignature:
    return KernelSignature(kind, (_type(shape), _type(other, constant=constant)), (_type(shape),))


@cache
def mean(shape: Shape) -> KernelSignature:
    """MEAN over rows and columns, which stay as 1."""
    return KernelSignature("MEAN", (_type(shape),), (_type((1, 1, 1, shape[-1])),), attrs_of(axes=(1, 2)))


@cache
def convolution(
    side: int, out: int, cin: int, cout: int, kernel: int, stride: int, *, groups: int = 1
) -> KernelSignature:
    """A convolution on a square map of `side` that is padded already, VALID; depthwise where groups equal channels."""
    attrs = attrs_of(fused_activation="NONE", padding="VALID", stride_h=stride, stride_w=stride)
    depth = groups == cin == cout and groups > 1
    weights = (1, kernel, kernel, cin) if depth else (cout, kernel, kernel, cin // groups)
    inputs = (_type((1, side, side, cin)), _type(weights, constant=True), _type((cout,), constant=True))
    kind = "DEPTHWISE_CONV_2D" if depth else "CONV_2D"
    return KernelSignature(kind, inputs, (_type((1, out, out, cout)),), attrs)


@cache
def pool(kind: str, side: int, out: int, channels: int, kernel: int, stride: int) -> KernelSignature:
    """MAX_POOL_2D or AVERAGE_POOL_2D on a square map."""
    attrs = attrs_of(
        filter_height=kernel,
        filter_width=kernel,
        fused_activation="NONE",
        padding="VALID",
        stride_h=stride,
        stride_w=stride,
    )
    return KernelSignature(kind, (_type((1, side, side, channels)),), (_type((1, out, out, channels)),), attrs)


@cache
def concat(side: int, channels: int, parts: int) -> KernelSignature:
    """CONCATENATION of `parts` maps to one of `channels`; how they share the channels costs nothing."""
    share = [channels // parts + (i < channels % parts) for i in range(parts)]
    inputs = tuple(_type((1, side, side, width)) for width in share)
    return KernelSignature("CONCATENATION", inputs, (_type((1, side, side, channels)),), attrs_of(axis=3))


@cache
def reshape(shape: Shape, to: Shape) -> KernelSignature:
    return KernelSignature("RESHAPE", (_type(shape),), (_type(to),))


@cache
def transpose(shape: Shape, perm: Shape) -> KernelSignature:
    out = tuple(shape[axis] for axis in perm)
    return KernelSignature("TRANSPOSE", (_type(shape),), (_type(out),), attrs_of(perm=perm))


@cache
def layer_norm(tokens: int, channels: int) -> Signatures:
    """Mean and variance over the channels, then scale and shift."""
    whole, column = (1, tokens, channels), (1, tokens, 1)
    over = KernelSignature("MEAN", (_type(whole),), (_type(column),), attrs_of(axes=(2,)))
    return (
        over,
        binary("SQUARED_DIFFERENCE", whole, column),
        over,
        unary("RSQRT", column),
        binary("MUL", whole, column),
        binary("MUL", whole, (channels,), constant=True),
        binary("ADD", whole, (channels,), constant=True),
    )
