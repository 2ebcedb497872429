"""The gradient of one step: each member's own, clipped, added to those before it.

Every member's weights are leaves of a graph of their own, so that memory is that of one member, and its gradient is
clipped and sent back through the slices without a zero-filled copy of the whole supernet.
Shapes: images [B, 3, H, W] normalised, labels [B, H', W'], logits [B, K, h, w]; K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional

from evit_nas.accuracy.supernet.slices import pieces, window
from evit_nas.accuracy.supernet.supernet import Supernet, run
from evit_nas.accuracy.training.loss import Loss
from evit_nas.space.arch import ArchConfig, Resolution
from evit_nas.space.space import Candidate

TEACHER_SHARE = 0.5  # of a member's loss: the rest is that of the labels

Objective = Callable[[torch.Tensor], torch.Tensor]  # logits to loss


def sandwich_gradients(
    supernet: Supernet,
    members: Sequence[Candidate],
    images: torch.Tensor,
    labels: torch.Tensor,
    loss: Loss,
    clip: float,
) -> list[float]:
    """Add the gradients of all members to those of the stored weights; the members' losses, in order.

    The first member, who teaches, learns from the labels; each other one from the labels and from the first one's
    logits by halves. A member's gradient has at most the norm `clip`. Each sees the images at its own resolution.
    """
    first, *others = members
    inputs = resized(images, first.resolution)
    value, teacher = add_gradient(supernet, first.arch, inputs, lambda logits: loss(logits, labels), clip)
    values = [value]
    for other in others:

        def objective(logits: torch.Tensor) -> torch.Tensor:
            soft = distillation(logits, teacher)
            return (1.0 - TEACHER_SHARE) * loss(logits, labels) + TEACHER_SHARE * soft

        value, _ = add_gradient(supernet, other.arch, resized(images, other.resolution), objective, clip)
        values.append(value)
    return values


def add_gradient(
    supernet: Supernet, arch: ArchConfig, images: torch.Tensor, objective: Objective, clip: float
) -> tuple[float, torch.Tensor]:
    """Add the clipped gradient of one member to the stored weights'; its loss and its logits, detached."""
    with torch.no_grad():
        weights = {name: _leaf(tensor) for name, tensor in supernet.member_weights(arch).items()}
    with torch.autocast(images.device.type, torch.bfloat16, enabled=images.device.type == "cuda"):
        logits = run(weights, images, arch)
    value = objective(logits)
    gradients = torch.autograd.grad(value, list(weights.values()))
    norm = nn.utils.get_total_norm(gradients)
    torch._foreach_mul_(gradients, (clip / (norm + 1e-6)).clamp(max=1.0))
    _scatter(supernet, arch, dict(zip(weights, gradients, strict=True)))
    return value.item(), logits.detach()


def _leaf(tensor: torch.Tensor) -> torch.Tensor:
    """A dense copy: convolutions would make one in each direction anyway."""
    order = torch.channels_last if tensor.ndim == 4 else torch.contiguous_format
    return tensor.detach().clone(memory_format=order).requires_grad_()


@torch.no_grad()
def _scatter(supernet: Supernet, arch: ArchConfig, gradients: dict[str, torch.Tensor]) -> None:
    stored = supernet.tensors
    for tensor in stored.values():
        if tensor.grad is None:
            tensor.grad = torch.zeros_like(tensor)
    for part, gradient in pieces(gradients, arch):
        whole = stored[part.stored].grad
        assert whole is not None
        window(whole, part).add_(gradient)


def distillation(logits: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Mean over pixels of the cross-entropy against the teacher's probabilities, on the grid of `logits`."""
    probabilities = resized(teacher.float().softmax(dim=1), (logits.shape[2], logits.shape[3]))
    return -(probabilities * functional.log_softmax(logits.float(), dim=1)).sum(dim=1).mean()


def resized(maps: torch.Tensor, size: Resolution) -> torch.Tensor:
    """[B, C, H, W] -> [B, C, *size], averaging where it shrinks."""
    if (maps.shape[2], maps.shape[3]) == size:
        return maps
    return functional.interpolate(maps, size=size, mode="bilinear", align_corners=False, antialias=True)
