"""From the tensors of an official state_dict to the constants of a graph.

Each recipe is a function of the state, the source path and the arguments of a `Param`, and gives the constant in
TFLite's layout. Folding is in float64, the result float32. Key names and the channel order of qkv (per head: q, k, v)
are upstream's (EfficientViT, nn/ops.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import prod, sqrt
from typing import Any

import numpy as np

from evit_nas.errors import CheckpointError
from evit_nas.graph.opgraph import OpGraph, Param, Tensor

Array = np.ndarray[Any, np.dtype[Any]]
State = Mapping[str, Array]
BATCH_NORM_EPS = 1e-5


def materialize(graph: OpGraph, state: State) -> OpGraph:
    """`graph` with every `Param` turned into data. Raises CheckpointError: a tensor is missing, or of another shape."""
    return _filled(graph, lambda tensor, param: _from_state(tensor, param, state))


def fill_random(graph: OpGraph, seed: int) -> OpGraph:
    """`graph` with random weights, scaled so that activations keep their size: for timing, no state needed.

    Deterministic in `seed`. No value is so small that products of weights and activations become denormal.
    """
    pool = np.random.default_rng(seed).standard_normal(1 << 16, np.float32)
    pool = np.copysign(np.clip(np.abs(pool), 0.05, 3), pool)
    offset = 0

    def draw(tensor: Tensor, param: Param) -> Array:
        nonlocal offset
        count = prod(tensor.shape)
        offset = (offset + 7919) % len(pool)
        mean, scale = _distribution(tensor.shape, param.recipe)
        return (np.resize(np.roll(pool, -offset), count) * np.float32(scale) + np.float32(mean)).reshape(tensor.shape)

    return _filled(graph, draw)


def _filled(graph: OpGraph, make: Callable[[Tensor, Param], Array]) -> OpGraph:
    tensors = {
        name: tensor if tensor.param is None else replace(tensor, data=make(tensor, tensor.param), param=None)
        for name, tensor in graph.tensors.items()
    }
    return replace(graph, tensors=tensors)


def _distribution(shape: tuple[int, ...], recipe: str) -> tuple[float, float]:
    """Mean and standard deviation of a random weight: variance 1 / fan-in, small biases, LayerNorm about one."""
    if recipe == "vector":
        return 1.0, 0.1
    if recipe == "conv_bias":
        return 0.0, 0.1
    fan_in = (
        prod(shape[:-1]) if recipe in ("depthwise_weight", "aggreg_depthwise", "msa_projection") else prod(shape[1:])
    )
    return 0.0, sqrt(1 / fan_in)


def _from_state(tensor: Tensor, param: Param, state: State) -> Array:
    try:
        data = _RECIPES[param.recipe](state, param.source, dict(param.args))
    except ValueError as error:
        raise CheckpointError(f"weights under {param.source!r}: {error}") from None
    if data.shape != tensor.shape:
        raise CheckpointError(
            f"weights under {param.source!r} give {list(data.shape)}, the architecture needs {list(tensor.shape)}"
        )
    return np.ascontiguousarray(data, np.float32)


def _get(state: State, key: str, rank: int) -> Array:
    """A tensor of the state in float64."""
    if key not in state:
        raise CheckpointError(f"weights: no tensor {key!r}")
    tensor = np.asarray(state[key], np.float64)
    if tensor.ndim != rank:
        raise CheckpointError(f"weights: {key!r} has shape {list(tensor.shape)}, must have {rank} dimensions")
    return tensor


def _norm(state: State, source: str) -> tuple[Array, Array]:
    """Scale and shift of the ConvLayer's BatchNorm."""
    gamma, beta, mean, variance = (
        _get(state, f"{source}.norm.{name}", 1) for name in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gamma / np.sqrt(variance + BATCH_NORM_EPS)
    return scale, beta - mean * scale


def _folded(state: State, source: str, norm: bool) -> Array:
    weight = _get(state, f"{source}.conv.weight", 4)
    return weight * _norm(state, source)[0][:, None, None, None] if norm else weight


def _conv_weight(state: State, source: str, args: Mapping[str, Any]) -> Array:
    """[out, in / groups, kh, kw] -> [out, kh, kw, in / groups]."""
    return _folded(state, source, args["norm"]).transpose(0, 2, 3, 1)


def _depthwise_weight(state: State, source: str, args: Mapping[str, Any]) -> Array:
    """[C, 1, kh, kw] -> [1, kh, kw, C], or only its rows from `first` to `last` (exclusive)."""
    weight = _folded(state, source, args["norm"]).transpose(1, 2, 3, 0)
    return weight[:, args["first"] : args["last"]] if "first" in args else weight


def _conv_bias(state: State, source: str, args: Mapping[str, Any]) -> Array:
    """The convolution's own bias, or the BatchNorm's shift."""
    return _get(state, f"{source}.conv.bias", 1) if args["bias"] else _norm(state, source)[1]


def _raw_conv(state: State, source: str, _: Mapping[str, Any]) -> Array:
    return _get(state, f"{source}.weight", 4).transpose(0, 2, 3, 1)


def _raw_depthwise(state: State, source: str, _: Mapping[str, Any]) -> Array:
    return _get(state, f"{source}.weight", 4).transpose(1, 2, 3, 0)


def _part(weight: Array, args: Mapping[str, Any]) -> Array:
    """The rows of q, k or v out of 3 T rows ordered head by head: [3 T, ...] -> [T, ...]."""
    rest = weight.shape[1:]
    return weight.reshape(-1, 3, args["head_dim"], *rest)[:, args["part"]].reshape(-1, *rest)


def _qkv_weight(state: State, source: str, args: Mapping[str, Any]) -> Array:
    return _part(_get(state, f"{source}.conv.weight", 4), args).transpose(0, 2, 3, 1)


def _aggreg_depthwise(state: State, source: str, args: Mapping[str, Any]) -> Array:
    return _part(_get(state, f"{source}.weight", 4), args).transpose(1, 2, 3, 0)


def _aggreg_grouped(state: State, source: str, args: Mapping[str, Any]) -> Array:
    return _part(_get(state, f"{source}.weight", 4), args).transpose(0, 2, 3, 1)


def _msa_projection(state: State, source: str, args: Mapping[str, Any]) -> Array:
    """[B h, d, C]: the projection by head, BatchNorm and the grouped 1x1 of each scale's v folded in.

    With G_h [out, in] the grouped weights of head h: v'_h = v_h G_h^T, so v'_h P_h = v_h (G_h^T P_h).
    """
    d, scales = args["head_dim"], args["scales"]
    weight = _folded(state, f"{source}.proj", True)[:, :, 0, 0]
    by_head = weight.T.reshape(1 + scales, -1, d, weight.shape[0])  # [B, h, d, C]
    folded = [by_head[0]]
    for index in range(scales):
        grouped = _get(state, f"{source}.aggreg.{index}.1.weight", 4)
        value = _part(grouped, {"head_dim": d, "part": 2}).reshape(-1, d, d)  # [h, out, in]
        folded.append(value.transpose(0, 2, 1) @ by_head[1 + index])
    return np.concatenate(folded)


def _msa_projection_conv(state: State, source: str, args: Mapping[str, Any]) -> Array:
    """The same as the weights of a 1x1 convolution: [C, 1, 1, B T]."""
    by_head = _msa_projection(state, source, args)
    return by_head.reshape(-1, by_head.shape[2]).T[:, None, None, :]


def _linear_weight(state: State, source: str, _: Mapping[str, Any]) -> Array:
    return _get(state, f"{source}.weight", 2)


def _vector(state: State, source: str, _: Mapping[str, Any]) -> Array:
    return _get(state, source, 1)


_RECIPES: Mapping[str, Callable[[State, str, Mapping[str, Any]], Array]] = {
    "conv_weight": _conv_weight,
    "depthwise_weight": _depthwise_weight,
    "conv_bias": _conv_bias,
    "raw_conv": _raw_conv,
    "raw_depthwise": _raw_depthwise,
    "qkv_weight": _qkv_weight,
    "aggreg_depthwise": _aggreg_depthwise,
    "aggreg_grouped": _aggreg_grouped,
    "msa_projection": _msa_projection,
    "msa_projection_conv": _msa_projection_conv,
    "linear_weight": _linear_weight,
    "vector": _vector,
}
