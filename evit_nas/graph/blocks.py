"""An architecture as a list of placed blocks: the unit in which costs are built once and summed.

A block is its shape alone (no weights, no place), so equal blocks of two networks are equal keys. `layout` says where
each one stands in a network and which blocks feed it. Sizes are in elements; H and W are those of the block's input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from evit_nas.space.arch import (
    FEWER_NORM_STAGES,
    Activation,
    ArchConfig,
    ClsHead,
    Resolution,
    SegHead,
    Upsample,
    check_resolution,
    heads,
)


@dataclass(frozen=True, slots=True)
class StemConv:
    """3x3 stride-2 convolution from 3 channels, BatchNorm, activation."""

    height: int
    width: int
    cout: int
    activation: Activation


@dataclass(frozen=True, slots=True)
class DSConv:
    """Depthwise 3x3 + BatchNorm + activation, 1x1 + BatchNorm, identity shortcut."""

    height: int
    width: int
    channels: int
    activation: Activation


@dataclass(frozen=True, slots=True)
class MBConv:
    """1x1 to cin * expand, depthwise, 1x1. `bias`: the first two convolutions have a bias and no BatchNorm."""

    height: int
    width: int
    cin: int
    cout: int
    expand: int
    kernel: int
    stride: int
    activation: Activation
    bias: bool
    residual: bool


@dataclass(frozen=True, slots=True)
class FusedMBConv:
    """kxk expand convolution, 1x1; BatchNorm on both, identity shortcut (the head's other block)."""

    height: int
    width: int
    channels: int
    expand: int
    kernel: int
    activation: Activation


@dataclass(frozen=True, slots=True)
class Msa:
    """Multi-scale ReLU linear attention, identity shortcut; quadratic form where H * W <= head_dim (as upstream)."""

    height: int
    width: int
    channels: int
    heads: int
    head_dim: int
    scales: tuple[int, ...]
    eps: float

    @property
    def quadratic(self) -> bool:
        return self.height * self.width <= self.head_dim


@dataclass(frozen=True, slots=True)
class HeadInput:
    """1x1 + BatchNorm of a stage's map to `channels`, then upsampled by `factor` (1: not at all)."""

    height: int
    width: int
    cin: int
    channels: int
    factor: int
    upsample: Upsample


@dataclass(frozen=True, slots=True)
class HeadAdd:
    """Sum of `count` maps of one shape, coarsest input first (official order of addition)."""

    height: int
    width: int
    channels: int
    count: int


@dataclass(frozen=True, slots=True)
class HeadOut:
    """Optional 1x1 expand + BatchNorm + activation, then 1x1 with bias to the classes."""

    height: int
    width: int
    channels: int
    final_expand: int | None
    classes: int
    activation: Activation


@dataclass(frozen=True, slots=True)
class ClsOut:
    """1x1 + BatchNorm + activation, global mean, linear + LayerNorm + activation, linear with bias."""

    height: int
    width: int
    cin: int
    widths: tuple[int, int]
    classes: int
    activation: Activation


Block = StemConv | DSConv | MBConv | FusedMBConv | Msa | HeadInput | HeadAdd | HeadOut | ClsOut


@dataclass(frozen=True, slots=True)
class Placed:
    """A block in a network.

    `path` is the prefix of its weights in the official state_dict (a ClsOut: `head`; a HeadAdd has none: `head.add`),
    `stage` the part of the network for breakdowns (stem, stage1..stage4, head), `inputs` the indices of the blocks
    feeding it (-1: image).
    """

    block: Block
    path: str
    stage: str
    inputs: tuple[int, ...]


def layout(arch: ArchConfig, resolution: Resolution) -> tuple[Placed, ...]:
    """The blocks of `arch` at input `resolution`, in execution order. The last one gives the network's output."""
    height, width = (side // 2 for side in check_resolution(resolution))
    placed: list[Placed] = []

    def put(block: Block, path: str, stage: str, inputs: tuple[int, ...] | None = None) -> int:
        placed.append(Placed(block, path, stage, inputs or (len(placed) - 1,)))
        return len(placed) - 1

    stem = arch.stem
    put(StemConv(*resolution, stem.width, stem.activation), "backbone.input_stem.op_list.0", "stem")
    for i in range(stem.depth):
        put(DSConv(height, width, stem.width, stem.activation), f"backbone.input_stem.op_list.{i + 1}.main", "stem")
    channels = stem.width
    ends: dict[int, tuple[int, tuple[int, int, int]]] = {}  # stage -> (index of its last block, its output shape)
    for number, stage in enumerate(arch.stages, start=1):
        prefix, name, act = f"backbone.stages.{number - 1}.op_list", f"stage{number}", stage.activation
        bias = number in FEWER_NORM_STAGES
        down = stage.down
        put(
            MBConv(height, width, channels, stage.width, down.expand, down.kernel, 2, act, bias, False),
            f"{prefix}.0.main",
            name,
        )
        height, width, channels = height // 2, width // 2, stage.width
        for i, config in enumerate(stage.blocks, start=1):
            local = f"{prefix}.{i}.main"
            if config.msa is not None:
                count = heads(channels, arch.head_dim, config.msa.heads_ratio)
                msa = Msa(height, width, channels, count, arch.head_dim, config.msa.scales, arch.eps)
                put(msa, f"{prefix}.{i}.context_module.main", name)
                local = f"{prefix}.{i}.local_module.main"
            mb = config.mbconv
            put(MBConv(height, width, channels, channels, mb.expand, mb.kernel, 1, act, bias, True), local, name)
        ends[number] = (len(placed) - 1, (height, width, channels))
    if isinstance(arch.head, ClsHead):
        head = arch.head
        put(ClsOut(height, width, channels, head.widths, head.classes, head.activation), "head", "head")
    else:
        _put_seg_head(arch.head, arch.upsample, ends, put)
    return tuple(placed)


def _put_seg_head(
    head: SegHead,
    upsample: Upsample,
    ends: Mapping[int, tuple[int, tuple[int, int, int]]],
    put: Callable[..., int],
) -> None:
    height = width = 0
    maps = []
    for i, stage in enumerate(head.inputs):
        last, (rows, columns, channels) = ends[stage]
        factor = 2 ** (stage + 1) // head.stride
        height, width = rows * factor, columns * factor
        reduced = HeadInput(rows, columns, channels, head.width, factor, upsample)
        maps.append(put(reduced, f"head.input_ops.{i}", "head", (last,)))
    put(HeadAdd(height, width, head.width, len(maps)), "head.add", "head", tuple(maps))
    for i in range(head.depth):
        path = f"head.middle.op_list.{i}.main"
        if head.block == "mbconv":
            block: Block = MBConv(
                height, width, head.width, head.width, head.expand, head.kernel, 1, head.activation, False, True
            )
        else:
            block = FusedMBConv(height, width, head.width, head.expand, head.kernel, head.activation)
        put(block, path, "head")
    out = HeadOut(height, width, head.width, head.final_expand, head.classes, head.activation)
    put(out, "head.output_ops.0", "head")
