"""What a single value of an architecture may be: the readers that arch files and search spaces share."""

from __future__ import annotations

from typing import Literal

from evit_nas.space.arch import ACTIVATIONS, UPSAMPLES, Activation, Upsample
from evit_nas.space.node import Node

MAX_WIDTH, MAX_BLOCKS, MAX_EXPAND, MAX_HEAD_DIM = 8192, 64, 32, 256
MAX_SCALE, MAX_RATIO, MAX_CLASSES, MAX_EPS = 15, 8.0, 65535, 0.01
KERNELS = (3, 5, 7)
TASKS: tuple[Literal["seg", "cls"], ...] = ("seg", "cls")
HEAD_BLOCKS: tuple[Literal["mbconv", "fmbconv"], ...] = ("mbconv", "fmbconv")
HEAD_STRIDES: tuple[Literal[8, 16], ...] = (8, 16)
HEAD_INPUTS: tuple[tuple[int, ...], ...] = ((4, 3, 2), (4, 3))


def legal_output(stride: int, inputs: tuple[int, ...]) -> bool:
    """Whether a segmentation head can give logits at `stride` from `inputs`: at 16 it cannot take stage 2."""
    return stride == 8 or 2 not in inputs


def read_width(node: Node) -> int:
    return node.integer(8, MAX_WIDTH, multiple=8)


def read_task(node: Node) -> Literal["seg", "cls"]:
    return node.one_of(TASKS)


def read_depth(node: Node) -> int:
    return node.integer(0, MAX_BLOCKS)


def read_classes(node: Node) -> int:
    return node.integer(1, MAX_CLASSES)


def read_eps(node: Node) -> float:
    return node.number(0, MAX_EPS)


def read_upsample(node: Node) -> Upsample:
    return node.one_of(UPSAMPLES)


def read_head_block(node: Node) -> Literal["mbconv", "fmbconv"]:
    return node.one_of(HEAD_BLOCKS)


def read_stride(node: Node) -> Literal[8, 16]:
    return node.one_of(HEAD_STRIDES)


def read_inputs(node: Node) -> tuple[int, ...]:
    """Stages that feed a segmentation head."""
    return node.one_of(HEAD_INPUTS)


def read_head_dim(node: Node) -> int:
    return node.integer(8, MAX_HEAD_DIM, multiple=8)


def read_expand(node: Node) -> int:
    return node.integer(1, MAX_EXPAND)


def read_kernel(node: Node) -> int:
    return node.one_of(KERNELS)


def read_activation(node: Node) -> Activation:
    return node.one_of(ACTIVATIONS)


def read_ratio(node: Node) -> float:
    return node.number(0, MAX_RATIO)


def read_scales(node: Node) -> tuple[int, ...]:
    """Kernels of the attention's branches, `[]` for single-scale attention."""
    scales = tuple(item.integer(3, MAX_SCALE) for item in node.items("a list of scales such as [5] or []"))
    for scale, item in zip(scales, node.items(), strict=True):
        if scale % 2 == 0 or scales.count(scale) > 1:
            raise item.wrong("an odd scale, given once")
    return scales


def read_final_expand(node: Node) -> int | None:
    return None if node.value is None else read_expand(node)


def read_head_widths(node: Node) -> tuple[int, int]:
    """Channels of a classification head: of the 1x1 convolution and of the hidden linear layer."""
    widths = [read_width(item) for item in node.items("a list of two widths")]
    if len(widths) != 2:
        raise node.wrong("a list of two widths")
    return widths[0], widths[1]
