"""The supernet: stored weights, and members computed and copied out of them.

`supernet(x, arch)` has no active member: which one is computed is an argument, and no buffer changes on the way. In
training a member's BatchNorms use the statistics of the batch; for evaluation they are estimated for each member anew
(those of one member misfit the next).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn
from torch.func import functional_call

from evit_nas.accuracy.supernet.hull import check_head_dim, hulls, zero_at_start
from evit_nas.accuracy.supernet.slices import check_member, parts, pieces, skeleton, stored_shapes, take
from evit_nas.accuracy.training.statistics import re_estimate
from evit_nas.model.efficientvit import EfficientViT, build
from evit_nas.space.arch import ArchConfig
from evit_nas.space.space import SearchSpace

Tensors = Mapping[str, torch.Tensor]


class Supernet(nn.Module):
    """Weights of all members of `space`, which has one head dim (InputError otherwise), freshly initialised."""

    def __init__(self, space: SearchSpace) -> None:
        super().__init__()
        check_head_dim(space)
        self.space = space
        self.stored = nn.ParameterDict(_initial(space))

    def forward(self, x: torch.Tensor, arch: ArchConfig, statistics: Tensors | None = None) -> torch.Tensor:
        """Logits of the member `arch` for images [B, 3, H, W], H and W multiples of 32.

        `statistics`: its BatchNorm buffers by official name; without them those of the batch. Raises InputError where
        `arch` is no member.
        """
        return run(self.member_weights(arch), x, arch, statistics)

    def member_weights(self, arch: ArchConfig) -> dict[str, torch.Tensor]:
        """The weights of a member by official name; gradients flow back into the supernet."""
        check_member(self.tensors, arch)
        return take(self.tensors, arch)

    @property
    def head_dim(self) -> int:
        """Channels of an attention head, the same in all members."""
        return self.space.largest().arch.head_dim

    @property
    def tensors(self) -> dict[str, torch.Tensor]:
        """The stored weights by stored name."""
        return dict(self.stored.items())


def run(weights: Tensors, x: torch.Tensor, arch: ArchConfig, statistics: Tensors | None = None) -> torch.Tensor:
    """Logits of `arch` with these weights (official names); see `Supernet.forward`."""
    network = skeleton(arch, statistics=statistics is not None)
    out: torch.Tensor = functional_call(network, {**weights, **(statistics or {})}, (x,))
    return out


def _initial(space: SearchSpace) -> dict[str, nn.Parameter]:
    """Each tensor as `build` makes it in the first hull that holds it; extra branches at zero."""
    archs = hulls(space)
    shapes = stored_shapes(archs)
    tensors: dict[str, torch.Tensor] = {}
    for arch in archs:
        if all(part.stored in tensors for own in parts(arch).values() for part in own):
            continue
        values = {name: tensor.detach() for name, tensor in build(arch).named_parameters()}
        for part, value in pieces(values, arch):
            tensors.setdefault(part.stored, value.contiguous())
    assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == shapes
    for name in zero_at_start(space):
        if name in tensors:  # a restricted space still has the dimensions of blocks beyond its greatest depth
            tensors[name].zero_()
    return {name: nn.Parameter(tensor) for name, tensor in tensors.items()}


@torch.no_grad()
def extract(supernet: Supernet, arch: ArchConfig, statistics: Tensors | None = None) -> dict[str, torch.Tensor]:
    """A copy of the member's state in the official layout. BatchNorm buffers are `statistics`, or else fresh ones
    (mean 0, variance 1), which must be estimated before the network is any good. Raises InputError for no member."""
    weights = {name: tensor.clone() for name, tensor in supernet.member_weights(arch).items()}
    return {**weights, **(statistics if statistics is not None else fresh_statistics(arch, supernet))}


def fresh_statistics(arch: ArchConfig, supernet: Supernet) -> dict[str, torch.Tensor]:
    """BatchNorm buffers that have seen nothing, on the supernet's device."""
    device = next(supernet.parameters()).device
    made = {}
    for name, buffer in skeleton(arch, statistics=True).named_buffers():
        fill = torch.ones if name.endswith(".running_var") else torch.zeros
        made[name] = fill(buffer.shape, dtype=buffer.dtype, device=device)
    return made


def member(
    supernet: Supernet,
    arch: ArchConfig,
    images: Iterable[torch.Tensor],
    hold: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> EfficientViT:
    """The member as a network of its own, in evaluation mode, its statistics estimated from `images` (normalised
    batches [B, 3, H, W] at the member's resolution; `hold` is entered for each)."""
    network = build(arch).to(next(supernet.parameters()).device)
    network.load_state_dict(extract(supernet, arch), strict=True)
    re_estimate(network, images, hold)
    return network
