"""One choice of the space: an architecture, without weights and without torch.

The official family is described in the paper (Cai et al., ICCV 2023, section 3.2 and Table 2). A stage means one of
stages 1 to 4; the stem stands apart. Strides are fixed: stem 2, stages 4, 8, 16, 32.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from evit_nas.errors import InputError, nearest

Activation = Literal["hswish", "relu6", "relu"]
Upsample = Literal["bilinear", "bicubic"]
Resolution = tuple[int, int]  # height, width of the network's input

ACTIVATIONS: tuple[Activation, ...] = ("hswish", "relu6", "relu")
UPSAMPLES: tuple[Upsample, ...] = ("bilinear", "bicubic")
MAX_SIDE = 9984  # pixels; tensors beyond it overflow the 32-bit sizes of TFLite
FEWER_NORM_STAGES = (3, 4)  # 1x1 and depthwise convolutions have a bias and no BatchNorm there (official `fewer_norm`)


@dataclass(frozen=True, kw_only=True, slots=True)
class MBConvConfig:
    """Inverted bottleneck: 1x1 to `expand` times the input, depthwise `kernel` x `kernel`, 1x1."""

    expand: int = 4
    kernel: int = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class MsaConfig:
    """Multi-scale ReLU linear attention. Heads = max(1, round(width / head_dim * heads_ratio))."""

    scales: tuple[int, ...] = (5,)
    heads_ratio: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class BlockConfig:
    """One block after the stride-2 one: an optional attention, then an MBConv, each with an identity shortcut."""

    mbconv: MBConvConfig = MBConvConfig()
    msa: MsaConfig | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class StageConfig:
    """A stride-2 MBConv (`down`, no shortcut) and `blocks` at the new resolution.

    Official depth of stages 1-2 counts `down` as well, of stages 3-4 only `blocks`.
    """

    width: int
    down: MBConvConfig = MBConvConfig()
    blocks: tuple[BlockConfig, ...] = ()
    activation: Activation = "hswish"


@dataclass(frozen=True, kw_only=True, slots=True)
class StemConfig:
    """3x3 stride-2 convolution and `depth` residual depthwise-separable blocks."""

    width: int
    depth: int = 1
    activation: Activation = "hswish"


@dataclass(frozen=True, kw_only=True, slots=True)
class SegHead:
    """Segmentation head. `inputs` are stages, coarsest first: (4, 3, 2) or (4, 3); `stride` is that of the logits."""

    classes: int
    width: int
    depth: int = 1
    stride: Literal[8, 16] = 8
    inputs: tuple[int, ...] = (4, 3, 2)
    block: Literal["mbconv", "fmbconv"] = "mbconv"
    expand: int = 4
    kernel: int = 3
    final_expand: int | None = 4
    activation: Activation = "hswish"


@dataclass(frozen=True, kw_only=True, slots=True)
class ClsHead:
    """Classification head: 1x1 to widths[0], global mean, linear to widths[1] + LayerNorm, linear to `classes`."""

    classes: int
    widths: tuple[int, int]
    activation: Activation = "hswish"


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchConfig:
    """A whole network. Hashable; equal configs are equal networks. `eps` is the attention's guard against 0 / 0."""

    stem: StemConfig
    stages: tuple[StageConfig, StageConfig, StageConfig, StageConfig]
    head: SegHead | ClsHead
    head_dim: int
    upsample: Upsample = "bilinear"
    eps: float = 1e-6

    @property
    def task(self) -> Literal["seg", "cls"]:
        return "seg" if isinstance(self.head, SegHead) else "cls"


def heads(width: int, head_dim: int, ratio: float) -> int:
    """Attention heads of one scale, at least one."""
    return max(1, round(width / head_dim * ratio))


def parse_resolution(text: str) -> Resolution:
    """`512x1024` (height x width) as a legal resolution. Raises InputError."""
    match = re.fullmatch(r"([1-9][0-9]{0,3})x([1-9][0-9]{0,3})", text.strip())
    if match is None:
        raise InputError(
            f"resolution {text[:40]!r}: not HEIGHTxWIDTH (height x width in pixels), at most four digits each, "
            "such as 512x1024"
        )
    return check_resolution((int(match[1]), int(match[2])))


def check_resolution(resolution: Resolution) -> Resolution:
    """Raise InputError unless both sides are multiples of 32, from 32 to MAX_SIDE."""
    if any(side % 32 or not 32 <= side <= MAX_SIDE for side in resolution):
        height, width = (min(MAX_SIDE, max(32, round(side / 32) * 32)) for side in resolution)
        limit = f"at most {MAX_SIDE}" if max(resolution) > MAX_SIDE else "at least 32"
        raise InputError(
            f"resolution {resolution_text(resolution)}: both sides must be multiples of 32, {limit}; "
            f"nearest legal size {resolution_text((height, width))}"
        )
    return resolution


def resolution_text(resolution: Resolution) -> str:
    """`512x1024`, height first, as `parse_resolution` reads it."""
    return f"{resolution[0]}x{resolution[1]}"


# widths (stem, s1..s4), depths (official counting), head dim, segmentation head width and depth, classification head
_FAMILY: dict[str, tuple[tuple[int, ...], tuple[int, ...], int, int, int, tuple[int, int]]] = {
    "b0": ((8, 16, 32, 64, 128), (1, 2, 2, 2, 2), 16, 32, 1, (1024, 1280)),
    "b1": ((16, 32, 64, 128, 256), (1, 2, 3, 3, 4), 16, 64, 3, (1536, 1600)),
    "b2": ((24, 48, 96, 192, 384), (1, 3, 4, 4, 6), 32, 96, 3, (2304, 2560)),
    "b3": ((32, 64, 128, 256, 512), (1, 4, 6, 6, 9), 32, 128, 3, (2304, 2560)),
}
NAMED_ARCHS = ("b0", "b1", "b2", "b3", "b1-ade20k", "b2-ade20k", "b3-ade20k", "b0-cls", "b1-cls", "b2-cls", "b3-cls")


def named_arch(name: str, *, upsample: Upsample = "bilinear") -> ArchConfig:
    """A member of the official family: `b0`..`b3` (Cityscapes), `b1-ade20k`.., `b0-cls`.. (eps 1e-15 as upstream)."""
    if name not in NAMED_ARCHS:
        raise InputError(f"unknown architecture {name!r}: {nearest(name, NAMED_ARCHS)}")
    base, _, data = name.partition("-")
    widths, depths, head_dim, head_width, head_depth, cls_widths = _FAMILY[base]
    stages = []
    for number, width, depth in zip((1, 2, 3, 4), widths[1:], depths[1:], strict=True):
        block = BlockConfig(msa=MsaConfig()) if number >= 3 else BlockConfig()
        stages.append(StageConfig(width=width, blocks=(block,) * (depth if number >= 3 else depth - 1)))
    head: SegHead | ClsHead
    if data == "cls":
        head = ClsHead(classes=1000, widths=cls_widths)
    else:
        ade = data == "ade20k"
        head = SegHead(classes=150 if ade else 19, width=head_width, depth=head_depth, final_expand=None if ade else 4)
    return ArchConfig(
        stem=StemConfig(width=widths[0], depth=depths[0]),
        stages=(stages[0], stages[1], stages[2], stages[3]),
        head=head,
        head_dim=head_dim,
        upsample=upsample,
        eps=1e-15,
    )
