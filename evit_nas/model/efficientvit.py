"""An ArchConfig as a torch module with the official module names.

Shapes: images [B, 3, H, W]; stage n gives [B, width_n, H / 2^(n+1), W / 2^(n+1)]; the segmentation head gives logits
[B, classes, H / stride, W / stride], the classification head [B, classes].
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import nn

from evit_nas.errors import InputError
from evit_nas.model.layers import (
    Chain,
    ConvNorm,
    DSConv,
    FusedMBConv,
    LinearNorm,
    MBConv,
    Plain,
    Pool,
    Residual,
    Upsampling,
)
from evit_nas.model.lite_mla import Attend, LiteMLA, linear_attention
from evit_nas.space.arch import (
    FEWER_NORM_STAGES,
    ArchConfig,
    BlockConfig,
    ClsHead,
    MBConvConfig,
    SegHead,
    StageConfig,
    StemConfig,
    Upsample,
    heads,
)


def build(arch: ArchConfig) -> EfficientViT:
    """The network of `arch`, freshly initialised, in training mode. Its state_dict has the official layout."""
    return build_with(arch, linear_attention)


def build_with(arch: ArchConfig, linear: Attend) -> EfficientViT:
    """The network of `arch` whose attention computes its linear form by `linear`."""
    network = EfficientViT(arch, linear)
    initialise(network)
    return network


class EfficientViT(nn.Module):
    """Backbone and head. `arch` is what it was built from."""

    def __init__(self, arch: ArchConfig, linear: Attend) -> None:
        super().__init__()
        self.arch = arch
        self.backbone = Backbone(arch, linear)
        widths = {number: stage.width for number, stage in enumerate(arch.stages, start=1)}
        self.head: nn.Module
        if isinstance(arch.head, ClsHead):
            self.head = classification_head(arch.head, widths[4])
        else:
            self.head = SegmentationHead(arch.head, widths, arch.upsample)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """[B, 3, H, W] -> logits; H and W multiples of 32."""
        features = self.backbone(image)
        out: torch.Tensor = self.head(features if isinstance(self.arch.head, SegHead) else features[4])
        return out


class Backbone(nn.Module):
    """Stem and four stages: [B, 3, H, W] -> {stage number: map}."""

    def __init__(self, arch: ArchConfig, linear: Attend) -> None:
        super().__init__()
        self.input_stem = _stem(arch.stem)
        stages, cin = [], arch.stem.width
        for number, stage in enumerate(arch.stages, start=1):
            stages.append(_stage(arch, stage, cin, linear, fewer_norm=number in FEWER_NORM_STAGES))
            cin = stage.width
        self.stages = nn.ModuleList(stages)

    def forward(self, image: torch.Tensor) -> dict[int, torch.Tensor]:
        x = self.input_stem(image)
        features = {}
        for number, stage in enumerate(self.stages, start=1):
            x = features[number] = stage(x)
        return features


def _stem(config: StemConfig) -> Chain:
    act = config.activation
    first = ConvNorm(3, config.width, 3, stride=2, act=act)
    return Chain([first, *(Residual(DSConv(config.width, act)) for _ in range(config.depth))])


def _stage(arch: ArchConfig, stage: StageConfig, cin: int, linear: Attend, *, fewer_norm: bool) -> Chain:
    act = stage.activation
    down = MBConv(cin, stage.width, stage.down, act, stride=2, fewer_norm=fewer_norm)
    blocks = [_block(arch, stage, block, linear, fewer_norm=fewer_norm) for block in stage.blocks]
    return Chain([Plain(down), *blocks])


def _block(arch: ArchConfig, stage: StageConfig, block: BlockConfig, linear: Attend, *, fewer_norm: bool) -> nn.Module:
    local = Residual(MBConv(stage.width, stage.width, block.mbconv, stage.activation, fewer_norm=fewer_norm))
    if block.msa is None:
        return local
    count = heads(stage.width, arch.head_dim, block.msa.heads_ratio)
    attention = LiteMLA(stage.width, count, arch.head_dim, block.msa.scales, arch.eps, linear=linear)
    return AttentionBlock(Residual(attention), local)


class AttentionBlock(nn.Module):
    """EfficientViT module (paper, figure 5): attention over the map, then an MBConv, each with its shortcut."""

    def __init__(self, context: Residual, local: Residual) -> None:
        super().__init__()
        self.context_module = context
        self.local_module = local

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.local_module(self.context_module(x))
        return out


class SegmentationHead(nn.Module):
    """Each input stage through a 1x1, upsampled to the output size and added; blocks; then 1x1 to the classes."""

    def __init__(self, head: SegHead, widths: Mapping[int, int], upsample: Upsample) -> None:
        super().__init__()
        self.stages = head.inputs
        self.input_ops = nn.ModuleList(_head_input(head, stage, widths[stage], upsample) for stage in head.inputs)
        self.middle = Chain(Residual(_head_block(head)) for _ in range(head.depth))
        self.output_ops = nn.ModuleList([Chain(_head_output(head))])

    def forward(self, features: Mapping[int, torch.Tensor]) -> torch.Tensor:
        maps = [op(features[stage]) for stage, op in zip(self.stages, self.input_ops, strict=True)]
        total = maps[-1]
        for fine in reversed(maps[:-1]):  # upstream adds from the right
            total = fine + total
        out: torch.Tensor = self.output_ops[0](self.middle(total))
        return out


def _head_input(head: SegHead, stage: int, cin: int, upsample: Upsample) -> nn.Module:
    factor, rest = divmod(2 ** (stage + 1), head.stride)
    if factor < 1 or rest:
        raise InputError(
            f"segmentation head of stride {head.stride} cannot read stage {stage}, whose stride is {2 ** (stage + 1)}: "
            "stride 16 takes inputs (4, 3)"
        )
    conv = ConvNorm(cin, head.width)
    return conv if factor == 1 else Chain([conv, Upsampling(factor, upsample)])


def _head_block(head: SegHead) -> nn.Module:
    config = MBConvConfig(expand=head.expand, kernel=head.kernel)
    if head.block == "mbconv":
        return MBConv(head.width, head.width, config, head.activation)
    return FusedMBConv(head.width, config, head.activation)


def _head_output(head: SegHead) -> list[ConvNorm]:
    width, modules = head.width, []
    if head.final_expand is not None:
        width *= head.final_expand
        modules.append(ConvNorm(head.width, width, act=head.activation))
    modules.append(ConvNorm(width, head.classes, bias=True, norm=False))
    return modules


def classification_head(head: ClsHead, cin: int) -> Chain:
    """[B, cin, H, W] -> [B, classes]."""
    first, second = head.widths
    return Chain(
        [
            ConvNorm(cin, first, act=head.activation),
            Pool(),
            LinearNorm(first, second, norm=True, act=head.activation),
            LinearNorm(second, head.classes, norm=False),
        ]
    )


@torch.no_grad()
def initialise(network: nn.Module) -> None:
    """Initialise for training from scratch.

    Convolutions keep the variance of their input (He et al. 2015, fan-in; gain 1 inside the attention, which has no
    activation there): two of them in a row have no BatchNorm to repair it in stages 3 and 4. The classifier starts
    near zero, so that the first loss is that of equal classes.
    """
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            fan_in = module.weight[0].numel()
            gain = 1.0 if ".qkv" in name or ".aggreg" in name else math.sqrt(2.0)
            nn.init.normal_(module.weight, std=gain / math.sqrt(fan_in))
        elif isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
    last = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)][-1]
    nn.init.normal_(last.weight, std=0.01)


@torch.no_grad()
def randomise(network: nn.Module, seed: int) -> None:
    """Fill every tensor with seeded random values that a trained network could have, and go to evaluation mode.

    Nothing is left at a value that hides an error: biases, BatchNorm scales, means and variances all differ from
    their neutral ones. For checks of outputs and for exports without weights; the result means nothing.
    """
    generator = torch.Generator().manual_seed(seed)

    def normal(tensor: torch.Tensor, std: float) -> None:
        tensor.normal_(0.0, std, generator=generator)

    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            normal(module.weight, math.sqrt(1.5 / module.weight[0].numel()))
            if module.bias is not None:
                normal(module.bias, 0.2)
        elif isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
            residual = name.endswith((".point_conv.norm", ".proj.norm"))  # smaller, or deep networks grow without end
            module.weight.uniform_(*((0.15, 0.45) if residual else (0.5, 1.0)), generator=generator)
            normal(module.bias, 0.2)
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            normal(module.running_mean, 0.2)
            module.running_var.uniform_(0.6, 1.8, generator=generator)
    network.eval()
