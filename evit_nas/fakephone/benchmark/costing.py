"""Kinds, MACs and bytes of the kernels, and their times by the cost model."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from evit_nas.fakephone.benchmark.kernels import FusedKernel
from evit_nas.fakephone.cost_model import CostModel


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_MOVEMENT = _words(
    "RESHAPE COPY TRANSPOSE PAD PADV2 MIRROR_PAD CONCATENATION SLICE STRIDED_SLICE SPLIT SPLIT_V PACK UNPACK GATHER "
    "GATHER_ND TILE BROADCAST_TO DEPTH_TO_SPACE SPACE_TO_DEPTH SQUEEZE EXPAND_DIMS"
)
_ELEMENTWISE = _words(
    "ADD SUB MUL DIV MAXIMUM MINIMUM SQUARED_DIFFERENCE RELU RELU6 RELU_N1_TO_1 HARD_SWISH LOGISTIC TANH GELU ELU "
    "LEAKY_RELU SQRT RSQRT SQUARE EXP LOG NEG ABS FLOOR CEIL ROUND SIN COS PRELU POW"
)
_FLOAT_BYTES = 4
Shape = tuple[int, ...]


def cost_kind(kernel: FusedKernel) -> str:
    """The cost model's kind of a kernel."""
    match kernel.kind:
        case "CONV_2D":
            return "conv_1x1" if kernel.weights[0][1:3] == (1, 1) else "conv"
        case "TRANSPOSE_CONV":
            return "conv"
        case "DEPTHWISE_CONV_2D":
            return "depthwise_conv"
        case "FULLY_CONNECTED":
            return "fully_connected"
        case "BATCH_MATMUL":
            return "batch_matmul"
        case "RESIZE_BILINEAR" | "RESIZE_NEAREST_NEIGHBOR":
            return "resize"
    if kernel.kind in _MOVEMENT:
        return "data_movement"
    return "elementwise" if kernel.kind in _ELEMENTWISE else "other"


def macs_of(kernel: FusedKernel, step: int) -> int:
    """Multiply-accumulates, with channels rounded up to `step`."""
    match kernel.kind:
        case "CONV_2D" | "TRANSPOSE_CONV":
            outputs, height, width, inputs = kernel.weights[0]
            rows = prod((kernel.outputs if kernel.kind == "CONV_2D" else kernel.inputs)[0][:-1])
            return rows * height * width * _up(inputs, step) * _up(outputs, step)
        case "DEPTHWISE_CONV_2D":
            _, height, width, channels = kernel.weights[0]
            return prod(kernel.outputs[0][:-1]) * height * width * _up(channels, step)
        case "FULLY_CONNECTED":
            outputs, inputs = kernel.weights[0]
            return prod(kernel.inputs[0]) // inputs * _up(inputs, step) * _up(outputs, step)
        case "BATCH_MATMUL":
            return prod(kernel.outputs[0][:-1]) * _up(kernel.depth, step) * _up(kernel.outputs[0][-1], step)
    return 0


def bytes_of(kernel: FusedKernel, step: int) -> int:
    """Bytes of inputs, outputs and weights, float32, with channels rounded up to `step`."""
    moved = sum(_elements(shape, step) for shape in (*kernel.inputs, *kernel.outputs))
    return _FLOAT_BYTES * (moved + sum(_weight_elements(kernel.kind, shape, step) for shape in kernel.weights))


def times_us(kernels: Sequence[FusedKernel], model: CostModel) -> list[float]:
    """Time of each kernel at the peak clock of the fastest core; 0 for a reshape that moves nothing."""
    working = [kernel for kernel in kernels if not kernel.free]
    alone = len(working) == 1
    step = model.channel_step
    return [
        0.0 if kernel.free else model.kernel_us(cost_kind(kernel), macs_of(kernel, step), bytes_of(kernel, step), alone)
        for kernel in kernels
    ]


def _up(channels: int, step: int) -> int:
    return -(-channels // step) * step


def _elements(shape: Shape, step: int) -> int:
    return prod(shape[:-1]) * _up(shape[-1], step) if shape else 1


def _weight_elements(kind: str, shape: Shape, step: int) -> int:
    if kind in ("CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV") and len(shape) > 1:
        return _up(shape[0], step) * prod(shape[1:-1]) * _up(shape[-1], step)
    return _elements(shape, step)
