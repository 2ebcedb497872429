"""ReLU linear attention over several scales (EfficientViT paper, section 3.1).

Shapes: B batch, C channels, H and W of the map, N = H * W tokens; h heads of dimension d, T = h * d;
S scales beside the identity, so that h * (1 + S) heads attend and the projection reads T * (1 + S) channels.
Layout of the 3T channels of qkv: head after head, in each of them q (d), k (d), v (d).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from evit_nas.model.layers import ConvNorm

Attend = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, float], torch.Tensor]


def linear_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, eps: float) -> torch.Tensor:
    """(V K^T) Q / ((sum of k) . q + eps), linear in N. q, k (not negative), v and the result: [B, h, d, N]."""
    numerator = (v @ k.transpose(-1, -2)) @ q
    denominator = k.sum(dim=-1, keepdim=True).transpose(-1, -2) @ q
    return numerator / (denominator + eps)


def quadratic_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, eps: float) -> torch.Tensor:
    """The same result from the [N, N] matrix K^T Q, normalised over the keys: cheaper where N <= d."""
    weights = k.transpose(-1, -2) @ q
    return v @ (weights / (weights.sum(dim=-2, keepdim=True) + eps))


class LiteMLA(nn.Module):
    """Multi-scale linear attention: [B, C, H, W] -> [B, C, H, W], without the shortcut.

    Upstream takes the quadratic form where H * W <= d; so does this module, at run time. `linear` is the linear form
    to use: both orders of operations that the package knows give the same result up to rounding.
    The attention itself always runs in float32: sums over N tokens overflow float16.
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        head_dim: int,
        scales: tuple[int, ...],
        eps: float,
        *,
        linear: Attend = linear_attention,
    ) -> None:
        super().__init__()
        total = heads * head_dim
        self.head_dim, self.eps, self.linear = head_dim, eps, linear
        self.qkv = ConvNorm(channels, 3 * total, norm=False)
        self.aggreg = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(3 * total, 3 * total, scale, padding=scale // 2, groups=3 * total, bias=False),
                nn.Conv2d(3 * total, 3 * total, 1, groups=3 * heads, bias=False),
            )
            for scale in scales
        )
        self.proj = ConvNorm(total * (1 + len(scales)), channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        qkv = self.qkv(x)
        qkv = torch.cat([qkv, *(scale(qkv) for scale in self.aggreg)], dim=1)
        if torch.is_autocast_enabled(x.device.type):
            with torch.autocast(x.device.type, enabled=False):
                out = self._attend(qkv)
        else:
            out = self._attend(qkv)
        projected: torch.Tensor = self.proj(out)
        return projected

    def _attend(self, qkv: torch.Tensor) -> torch.Tensor:
        """[B, 3T(1 + S), H, W] -> [B, T(1 + S), H, W], in the dtype of the input."""
        batch, _, height, width = qkv.shape
        d, tokens = self.head_dim, height * width
        heads = qkv.float().reshape(batch, -1, 3 * d, tokens)
        q, k, v = functional.relu(heads[:, :, :d]), functional.relu(heads[:, :, d : 2 * d]), heads[:, :, 2 * d :]
        attend = self.linear if tokens > d else quadratic_attention
        return attend(q, k, v, self.eps).reshape(batch, -1, height, width).to(qkv.dtype)
