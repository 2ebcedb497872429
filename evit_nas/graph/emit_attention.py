"""Our lowering of multi-scale ReLU linear attention (paper, section 3.1), with the projection folded in.

N: pixels, h: heads of one branch, d: head dim, C: channels, B: branches (the identity and one per scale), T = h * d.
Upstream computes out = (q (k^T v)) / (q s + eps), s = sum of k over the pixels, then proj(out). Dividing q first makes
the rest linear: per head M = (k^T v) P and y = (q / (q s + eps)) M + bias, so one matmul [N, B T] x [B T, C] replaces
the second product, two transposes and the projection. The grouped 1x1 of a scale's v is linear too and folds into P.
q, k and v come from three convolutions, so nothing is sliced.
"""

from __future__ import annotations

import numpy as np

from evit_nas.graph.blocks import Msa
from evit_nas.graph.builder import GraphBuilder

_Q, _K, _V = 0, 1, 2  # order of the parts in upstream's qkv channels


def emit_msa(b: GraphBuilder, block: Msa, x: str) -> str:
    """[1, H, W, C] -> the same shape, shortcut included."""
    branches = _branches(b, block, x)
    y = _quadratic(b, block, branches) if block.quadratic else _linear(b, block, branches)
    return b.binary("ADD", y, x)


def _branches(b: GraphBuilder, block: Msa, x: str) -> list[tuple[str, str, str]]:
    """(q, k, v) of each branch, [1, H, W, T], q and k rectified; v of a scale without its grouped 1x1."""
    width = block.heads * block.head_dim
    zeros = b.zeros(width)
    raw = [
        b.conv(x, b.param((width, 1, 1, block.channels), "qkv_weight", "qkv", _part(block, i)), zeros) for i in range(3)
    ]
    scaled = []
    for index, scale in enumerate(block.scales):
        shape = (1, scale, scale, width)
        depthwise = [b.param(shape, "aggreg_depthwise", f"aggreg.{index}.0", _part(block, i)) for i in range(3)]
        q, k, v = (b.depthwise(t, w, zeros) for t, w in zip(raw, depthwise, strict=True))
        scaled.append((_grouped(b, block, q, index, _Q), _grouped(b, block, k, index, _K), v))
    return [(b.unary("RELU", raw[_Q]), b.unary("RELU", raw[_K]), raw[_V]), *scaled]


def _part(block: Msa, part: int) -> tuple[tuple[str, int], ...]:
    return (("head_dim", block.head_dim), ("part", part))


def _grouped(b: GraphBuilder, block: Msa, x: str, index: int, part: int) -> str:
    """The grouped 1x1 of a scale (one group per head), with the ReLU of q or k inside."""
    width = block.heads * block.head_dim
    weight = b.param((width, 1, 1, block.head_dim), "aggreg_grouped", f"aggreg.{index}.1", _part(block, part))
    return b.conv(x, weight, b.zeros(width), activation="RELU")


def _by_head(b: GraphBuilder, block: Msa, x: str) -> str:
    """[1, H, W, T] -> [N, h, d]."""
    return b.reshape(x, block.height * block.width, block.heads, block.head_dim)


def _linear(b: GraphBuilder, block: Msa, branches: list[tuple[str, str, str]]) -> str:
    pixels, width = block.height * block.width, len(branches) * block.heads * block.head_dim
    keys = [b.transpose(_by_head(b, block, k), 1, 2, 0) for _, k, _ in branches]  # [h, d, N]
    values = [b.transpose(_by_head(b, block, v), 1, 0, 2) for _, _, v in branches]  # [h, N, d]
    key_sums = b.concat([b.reduce("SUM", k, (2,)) for k in keys], 0)
    key_values = b.concat([b.matmul(k, v) for k, v in zip(keys, values, strict=True)], 0)  # [B h, d, d]
    mixed = b.reshape(b.matmul(key_values, _projection(b, block, len(branches))), width, block.channels)
    query = b.concat([_by_head(b, block, q) for q, _, _ in branches], 1)  # [N, B h, d]
    sums = b.reshape(key_sums, 1, len(branches) * block.heads, block.head_dim)
    norm = b.binary("ADD", b.reduce("SUM", b.binary("MUL", query, sums), (2,)), _eps(b, block))
    query = b.reshape(b.binary("DIV", query, norm), pixels, width)
    y = b.reshape(b.matmul(query, mixed), 1, block.height, block.width, block.channels)
    return b.binary("ADD", y, _projection_bias(b, block))


def _quadratic(b: GraphBuilder, block: Msa, branches: list[tuple[str, str, str]]) -> str:
    """N <= d: the N x N form, A = q k^T normalised over the keys, then A v (upstream's relu_quadratic_att)."""
    width = len(branches) * block.heads * block.head_dim
    parts = [[_by_head(b, block, t) for t in branch] for branch in branches]
    query = b.concat([b.transpose(q, 1, 0, 2) for q, _, _ in parts], 0)  # [B h, N, d]
    key = b.concat([b.transpose(k, 1, 2, 0) for _, k, _ in parts], 0)  # [B h, d, N]
    value = b.concat([b.transpose(v, 1, 0, 2) for _, _, v in parts], 0)
    weight = b.matmul(query, key)  # [B h, N, N]
    weight = b.binary("DIV", weight, b.binary("ADD", b.reduce("SUM", weight, (2,)), _eps(b, block)))
    y = b.reshape(b.transpose(b.matmul(weight, value), 1, 0, 2), 1, block.height, block.width, width)
    shape, args = (block.channels, 1, 1, width), _projection_args(block)
    return b.conv(y, b.param(shape, "msa_projection_conv", "", args), _projection_bias(b, block))


def _projection(b: GraphBuilder, block: Msa, branches: int) -> str:
    shape = (branches * block.heads, block.head_dim, block.channels)
    return b.param(shape, "msa_projection", "", _projection_args(block))


def _projection_args(block: Msa) -> tuple[tuple[str, int], ...]:
    return (("head_dim", block.head_dim), ("scales", len(block.scales)))


def _projection_bias(b: GraphBuilder, block: Msa) -> str:
    return b.param((block.channels,), "conv_bias", "proj", (("bias", False), ("norm", True)))


def _eps(b: GraphBuilder, block: Msa) -> str:
    return b.constant(np.array([block.eps], np.float32))
