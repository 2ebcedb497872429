"""Operators of other families of networks, so that a foreign file's kernels are near something that was measured.

Kinds that EfficientViT does not contain, over the shapes of MobileNet, EfficientNet, ResNet and transformers on images.
Each is timed alone, in a model that holds nothing else. Kinds that the space contains are left to its own members.
"""

from __future__ import annotations

from collections.abc import Iterator

from evit_nas.graph.kernel import KernelSignature, TensorType
from evit_nas.graph.opgraph import Attrs

Shape = tuple[int, ...]

UNARY = ("LOGISTIC", "GELU", "TANH", "EXP", "SQRT", "RSQRT", "SQUARE")
BINARY = ("SUB", "SQUARED_DIFFERENCE")
MAPS: tuple[Shape, ...] = ((1, 112, 112, 96), (1, 56, 56, 144), (1, 28, 28, 240), (1, 14, 14, 672), (1, 7, 7, 1280))
SQUEEZED: tuple[Shape, ...] = ((1, 1, 1, 8), (1, 1, 1, 1152))  # as squeeze-and-excitation has them
TOKENS: tuple[Shape, ...] = ((1, 16384, 32), (1, 4096, 64), (1, 1024, 160), (1, 256, 256), (1, 64, 64))
PRODUCTS = (  # rows, inputs, outputs
    *((16384, 32, 256), (16384, 256, 32), (4096, 64, 256), (1024, 160, 640), (1024, 640, 160)),
    *((256, 256, 1024), (256, 256, 256), (64, 32, 64), (1, 1280, 1000), (1, 2048, 1000), (1, 48, 48)),
)
PATCHES = (  # kernel, stride, height, width, input and output channels
    *((7, 4, 512, 512, 3, 32), (7, 2, 224, 224, 3, 64), (7, 4, 224, 224, 3, 96), (7, 2, 112, 112, 32, 64)),
    *((2, 2, 32, 32, 160, 160), (2, 2, 56, 56, 96, 192), (2, 2, 28, 28, 192, 384), (2, 2, 14, 14, 384, 768)),
    *((4, 4, 224, 224, 3, 96), (4, 4, 64, 64, 64, 64), (4, 4, 128, 128, 32, 32), (4, 4, 32, 32, 128, 128)),
    *((8, 8, 128, 128, 32, 32), (8, 8, 64, 64, 64, 64), (8, 8, 256, 256, 16, 32), (8, 8, 224, 224, 3, 64)),
)


def operator_signatures() -> tuple[KernelSignature, ...]:
    """Every operator that is measured, each kind at four shapes or more."""
    return tuple(dict.fromkeys([*_elementwise(), *_softmax(), *_means(), *_products(), *_patches(), *_pools()]))


def _elementwise() -> Iterator[KernelSignature]:
    for kind in UNARY:
        attrs: Attrs = (("approximate", False),) if kind == "GELU" else ()
        for shape in (*MAPS, *TOKENS, *SQUEEZED):
            yield KernelSignature(kind, (TensorType(shape),), (TensorType(shape),), attrs)
    yield from (_per_token("RSQRT", shape) for shape in TOKENS)
    for kind in BINARY:
        for shape in (*MAPS, *TOKENS):
            yield KernelSignature(kind, (TensorType(shape), TensorType(shape)), (TensorType(shape),))
        for shape in TOKENS:  # less the mean of each token, as a layer normalisation has it
            one = TensorType((*shape[:-1], 1))
            yield KernelSignature(kind, (TensorType(shape), one), (TensorType(shape),))


def _per_token(kind: str, shape: Shape) -> KernelSignature:
    one = TensorType((*shape[:-1], 1))
    return KernelSignature(kind, (one,), (one,))


def _softmax() -> Iterator[KernelSignature]:
    for shape in ((1, 1000), (1, 16384, 256), (2, 4096, 256), (5, 1024, 256), (8, 256, 256), (8, 49, 49), (1, 10)):
        yield KernelSignature("SOFTMAX", (TensorType(shape),), (TensorType(shape),))


def _means() -> Iterator[KernelSignature]:
    for n, height, width, channels in MAPS:
        for out in ((n, 1, 1, channels), (n, channels)):
            whole = TensorType((n, height, width, channels))
            yield KernelSignature("MEAN", (whole,), (TensorType(out),), (("axes", (1, 2)),))
    for shape in TOKENS:
        yield KernelSignature("MEAN", (TensorType(shape),), (TensorType((*shape[:-1], 1)),), (("axes", (2,)),))


def _products() -> Iterator[KernelSignature]:
    """With and without a bias: litert-torch adds some apart."""
    attrs: Attrs = (("fused_activation", "NONE"),)
    for rows, inner, columns in PRODUCTS:
        data, out = TensorType((rows, inner)), TensorType((rows, columns))
        weights, bias = TensorType((columns, inner), constant=True), TensorType((columns,), constant=True)
        yield KernelSignature("FULLY_CONNECTED", (data, weights, bias), (out,), attrs)
        yield KernelSignature("FULLY_CONNECTED", (data, weights), (out,), attrs)


def _patches() -> Iterator[KernelSignature]:
    """Convolutions with large windows, and those that cut an image into patches."""
    for kernel, stride, height, width, cin, cout in PATCHES:
        weights = (TensorType((cout, kernel, kernel, cin), constant=True), TensorType((cout,), constant=True))
        rows, columns = (height - kernel) // stride + 1, (width - kernel) // stride + 1
        attrs: Attrs = (
            ("fused_activation", "NONE"),
            ("padding", "VALID"),
            ("stride_h", stride),
            ("stride_w", stride),
        )
        data = TensorType((1, height, width, cin))
        yield KernelSignature("CONV_2D", (data, *weights), (TensorType((1, rows, columns, cout)),), attrs)


def _pools() -> Iterator[KernelSignature]:
    for kind in ("MAX_POOL_2D", "AVERAGE_POOL_2D"):
        for window, stride in ((2, 2), (3, 2)):
            for n, height, width, channels in MAPS[:4]:
                out = (n, (height - window) // stride + 1, (width - window) // stride + 1, channels)
                attrs: Attrs = (
                    ("filter_height", window),
                    ("filter_width", window),
                    ("fused_activation", "NONE"),
                    ("padding", "VALID"),
                    ("stride_h", stride),
                    ("stride_w", stride),
                )
                data = TensorType((n, height, width, channels))
                yield KernelSignature(kind, (data,), (TensorType(out),), attrs)
