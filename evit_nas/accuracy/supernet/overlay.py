"""Laying one set of stored tensors (slices.py) over another of any shape: the start from a trained network.

What both have is copied: leading heads and channels, the centre of a kernel. What the target has beside it adds nothing
to the copied filters at first: their new input channels and outer taps, new branches of an attention, and whole new
residual bodies start at zero. New filters keep their random start. So a larger network starts as the function of the
smaller one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch

from evit_nas.accuracy.supernet.channels import axes, spread

Tensors = Mapping[str, torch.Tensor]
Taken = Literal["whole", "part", "new"]
_LAST_NORMS = ("/point_conv/norm/weight", "/proj/norm/weight")  # of residual bodies: at zero the body is the identity


@dataclass(frozen=True, kw_only=True, slots=True)
class Laid:
    """One tensor of the target. `part`: cut or enlarged; `new`: nothing of the source is in it."""

    tensor: str
    shape: tuple[int, ...]
    source_shape: tuple[int, ...] | None
    taken: Taken


@torch.no_grad()
def overlay(source: Tensors, target: Tensors, *, source_head_dim: int, target_head_dim: int) -> list[Laid]:
    """Change `target` in place; one line for each of its tensors. A classifier of other classes stays as it is."""
    lines = []
    for name, tensor in target.items():
        given = source.get(name)
        if given is None or (axes(name).outputs == ("classes",) and given.shape[0] != tensor.shape[0]):
            _start_without(name, tensor, source)
            taken: Taken = "new"
        else:
            old, own = spread(name, given, source_head_dim), spread(name, tensor, target_head_dim)
            _copy(name, old, own, kernel=tensor.ndim == 4)
            taken = "whole" if old.shape == own.shape else "part"
        shape = None if given is None else tuple(given.shape)
        lines.append(Laid(tensor=name, shape=tuple(tensor.shape), source_shape=shape, taken=taken))
    return lines


def _start_without(name: str, tensor: torch.Tensor, source: Tensors) -> None:
    """What the source lacks: a residual body becomes the identity, a branch adds nothing to the copied channels."""
    prefix, found, _ = name.rpartition("/proj/")
    if name.endswith(_LAST_NORMS):
        tensor.zero_()
    elif found and tensor.ndim == 4 and f"{prefix}/proj/identity" in source:
        tensor[: source[f"{prefix}/proj/identity"].shape[0]].zero_()


def _copy(name: str, given: torch.Tensor, own: torch.Tensor, *, kernel: bool) -> None:
    outputs = len(axes(name).outputs)
    copied = own
    for axis in range(own.ndim):
        size = min(own.shape[axis], given.shape[axis])
        if axis == outputs:
            copied.zero_()  # what the copied filters read beside their old inputs
        centred = kernel and axis >= own.ndim - 2
        copied = _narrowed(copied, axis, size, centred=centred)
        given = _narrowed(given, axis, size, centred=centred)
    copied.copy_(given)


def _narrowed(tensor: torch.Tensor, axis: int, size: int, *, centred: bool) -> torch.Tensor:
    return tensor.narrow(axis, (tensor.shape[axis] - size) // 2 if centred else 0, size)
