"""Building blocks whose tensors carry the official names.

Shapes: B batch, C channels, H and W rows and columns of a feature map; maps are [B, C, H, W].
Names: a chain keeps its members under `op_list`, a block with an identity shortcut keeps its body under `main`, a
convolution with its normalisation keeps them under `conv` and `norm` (facts of the official family, section 5).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn import functional

from evit_nas.space.arch import Activation, MBConvConfig, Upsample

NORM_EPS = 1e-5  # upstream sets it on every normalisation of the B series


def activation(name: Activation | None) -> nn.Module:
    """The activation of that name; the identity for None."""
    if name is None:
        return nn.Identity()
    return {"hswish": nn.Hardswish, "relu6": nn.ReLU6, "relu": nn.ReLU}[name]()


class Chain(nn.Module):
    """Modules in a row: [B, C, H, W] through each of them."""

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        super().__init__()
        self.op_list = nn.ModuleList(modules)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for module in self.op_list:
            x = module(x)
        return x


class Residual(nn.Module):
    """`main` plus the identity."""

    def __init__(self, main: nn.Module) -> None:
        super().__init__()
        self.main = main

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.main(x) + x
        return out


class Plain(nn.Module):
    """`main` without a shortcut: keeps the official name of a stride-2 block."""

    def __init__(self, main: nn.Module) -> None:
        super().__init__()
        self.main = main

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.main(x)
        return out


class ConvNorm(nn.Module):
    """Convolution, optional BatchNorm, optional activation: [B, cin, H, W] -> [B, cout, H / stride, W / stride].

    Padding is kernel // 2 on every side.
    """

    def __init__(
        self,
        cin: int,
        cout: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        groups: int = 1,
        bias: bool = False,
        norm: bool = True,
        act: Activation | None = None,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=bias)
        self.norm = nn.BatchNorm2d(cout, eps=NORM_EPS) if norm else None
        self.act = activation(act)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        if self.norm is not None:
            x = self.norm(x)
        out: torch.Tensor = self.act(x)
        return out


class DSConv(nn.Module):
    """Depthwise 3x3 with activation, then 1x1 without: the stem's block."""

    def __init__(self, channels: int, act: Activation) -> None:
        super().__init__()
        self.depth_conv = ConvNorm(channels, channels, 3, groups=channels, act=act)
        self.point_conv = ConvNorm(channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.point_conv(self.depth_conv(x))
        return out


class MBConv(nn.Module):
    """Inverted bottleneck: 1x1 to cin * expand, depthwise, 1x1 to cout without activation.

    `fewer_norm`: the first two convolutions have a bias and no BatchNorm (official in stages 3 and 4).
    """

    def __init__(
        self, cin: int, cout: int, config: MBConvConfig, act: Activation, *, stride: int = 1, fewer_norm: bool = False
    ) -> None:
        super().__init__()
        mid, norm = cin * config.expand, not fewer_norm
        self.inverted_conv = ConvNorm(cin, mid, bias=fewer_norm, norm=norm, act=act)
        self.depth_conv = ConvNorm(
            mid, mid, config.kernel, stride=stride, groups=mid, bias=fewer_norm, norm=norm, act=act
        )
        self.point_conv = ConvNorm(mid, cout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.point_conv(self.depth_conv(self.inverted_conv(x)))
        return out


class FusedMBConv(nn.Module):
    """kxk convolution to channels * expand with activation, then 1x1 back without."""

    def __init__(self, channels: int, config: MBConvConfig, act: Activation) -> None:
        super().__init__()
        mid = channels * config.expand
        self.spatial_conv = ConvNorm(channels, mid, config.kernel, act=act)
        self.point_conv = ConvNorm(mid, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.point_conv(self.spatial_conv(x))
        return out


class LinearNorm(nn.Module):
    """Linear layer, optional LayerNorm and activation: [B, cin] -> [B, cout]. A bias only without the norm."""

    def __init__(self, cin: int, cout: int, *, norm: bool, act: Activation | None = None) -> None:
        super().__init__()
        self.linear = nn.Linear(cin, cout, bias=not norm)
        self.norm = nn.LayerNorm(cout, eps=NORM_EPS) if norm else None
        self.act = activation(act)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.linear(x)
        if self.norm is not None:
            x = self.norm(x)
        out: torch.Tensor = self.act(x)
        return out


class Pool(nn.Module):
    """Global mean: [B, C, H, W] -> [B, C]."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=(2, 3))


class Upsampling(nn.Module):
    """[B, C, H, W] -> [B, C, factor * H, factor * W], align_corners False."""

    def __init__(self, factor: int, mode: Upsample) -> None:
        super().__init__()
        self.factor, self.mode = factor, mode

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.interpolate(x, scale_factor=float(self.factor), mode=self.mode, align_corners=False)
