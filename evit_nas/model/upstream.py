"""The network with the order of operations of the official code: the reference that conversions are compared with.

It differs from `build` in the attention alone: v gets a row of ones, so that one matrix product yields numerator and
denominator. Weights are shared: both modules have the same state_dict.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from evit_nas.model.efficientvit import EfficientViT, build_with
from evit_nas.space.arch import ArchConfig


def padded_linear_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, eps: float) -> torch.Tensor:
    """Rows 1..d of ([V; 1] K^T) Q divided by row d + 1. q, k, v and the result: [B, h, d, N]."""
    padded = functional.pad(v, (0, 0, 0, 1), mode="constant", value=1.0)
    out = torch.matmul(torch.matmul(padded, k.transpose(-1, -2)), q)
    return out[:, :, :-1] / (out[:, :, -1:] + eps)


def upstream_module(arch: ArchConfig) -> EfficientViT:
    """The network of `arch` as upstream computes it, NCHW; load weights as into `build(arch)`."""
    return build_with(arch, padded_linear_attention)
