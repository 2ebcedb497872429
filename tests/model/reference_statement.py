"""EfficientViT stated a second time, from the published facts alone: plain functions on a state_dict.

It shares no code with the package: shapes are read off the tensors, what a shape cannot tell (stride, activation,
head dimension) is an argument. Attention is written as explicit sums over keys, its quadratic form included.
"""

from __future__ import annotations

import torch
import torch.nn.functional as fn

State = dict[str, torch.Tensor]
ACTIVATION = {"hswish": lambda x: x * fn.relu6(x + 3) / 6, "relu": fn.relu, "relu6": fn.relu6, None: lambda x: x}


def _numbers(state: State, prefix: str) -> list[int]:
    """The numbered entries below `prefix`, in order."""
    return sorted({int(name[len(prefix) + 1 :].split(".")[0]) for name in state if name.startswith(prefix + ".")})


def conv_layer(state: State, prefix: str, x: torch.Tensor, stride: int = 1, act: str | None = None) -> torch.Tensor:
    """Convolution, BatchNorm where the state has one (written out), activation."""
    weight = state[f"{prefix}.conv.weight"]
    groups = x.shape[1] // weight.shape[1]
    x = fn.conv2d(x, weight, state.get(f"{prefix}.conv.bias"), stride, weight.shape[-1] // 2, 1, groups)
    if f"{prefix}.norm.weight" in state:
        norm = {
            k: state[f"{prefix}.norm.{k}"][:, None, None] for k in ("weight", "bias", "running_mean", "running_var")
        }
        x = (x - norm["running_mean"]) / torch.sqrt(norm["running_var"] + 1e-5) * norm["weight"] + norm["bias"]
    return ACTIVATION[act](x)


def bottleneck(state: State, prefix: str, x: torch.Tensor, stride: int, act: str) -> torch.Tensor:
    """MBConv or, where the state says so, its fused form; without the shortcut."""
    if f"{prefix}.spatial_conv.conv.weight" in state:
        x = conv_layer(state, f"{prefix}.spatial_conv", x, act=act)
    else:
        x = conv_layer(state, f"{prefix}.inverted_conv", x, act=act)
        x = conv_layer(state, f"{prefix}.depth_conv", x, stride, act)
    return conv_layer(state, f"{prefix}.point_conv", x)


def attention(state: State, prefix: str, x: torch.Tensor, dim: int, eps: float) -> torch.Tensor:
    """Multi-scale ReLU attention without the shortcut. eps guards the sum of weights over all keys."""
    batch, _, height, width = x.shape
    branches = [conv_layer(state, f"{prefix}.qkv", x)]
    for scale in _numbers(state, f"{prefix}.aggreg"):
        depthwise, grouped = (state[f"{prefix}.aggreg.{scale}.{i}.weight"] for i in (0, 1))
        y = fn.conv2d(branches[0], depthwise, padding=depthwise.shape[-1] // 2, groups=depthwise.shape[0])
        branches.append(fn.conv2d(y, grouped, groups=y.shape[1] // grouped.shape[1]))
    runs = torch.cat(branches, dim=1).reshape(batch, -1, 3, dim, height * width)
    query, key, value = fn.relu(runs[:, :, 0]), fn.relu(runs[:, :, 1]), runs[:, :, 2]
    if height * width <= dim:
        weights = torch.einsum("bhdn,bhdm->bhnm", key, query)
        out = torch.einsum("bhdn,bhnm->bhdm", value, weights / (weights.sum(2, keepdim=True) + eps))
    else:
        context = torch.einsum("bhdn,bhen->bhde", value, key)
        total = torch.einsum("bhe,bhem->bhm", key.sum(-1), query)
        out = torch.einsum("bhde,bhem->bhdm", context, query) / (total[:, :, None] + eps)
    return conv_layer(state, f"{prefix}.proj", out.reshape(batch, -1, height, width))


def backbone(state: State, image: torch.Tensor, dim: int, eps: float, acts: tuple[str, ...]) -> dict[int, torch.Tensor]:
    """Maps of stages 1 to 4. `acts`: activation of the stem and of each stage."""
    x = conv_layer(state, "backbone.input_stem.op_list.0", image, 2, acts[0])
    for i in _numbers(state, "backbone.input_stem.op_list")[1:]:
        prefix = f"backbone.input_stem.op_list.{i}.main"
        x = x + conv_layer(state, f"{prefix}.point_conv", conv_layer(state, f"{prefix}.depth_conv", x, act=acts[0]))
    maps = {}
    for stage in range(4):
        for i in _numbers(state, f"backbone.stages.{stage}.op_list"):
            prefix, act = f"backbone.stages.{stage}.op_list.{i}", acts[stage + 1]
            if i == 0:
                x = bottleneck(state, f"{prefix}.main", x, 2, act)
            elif f"{prefix}.context_module.main.qkv.conv.weight" in state:
                x = x + attention(state, f"{prefix}.context_module.main", x, dim, eps)
                x = x + bottleneck(state, f"{prefix}.local_module.main", x, 1, act)
            else:
                x = x + bottleneck(state, f"{prefix}.main", x, 1, act)
        maps[stage + 1] = x
    return maps


def segmentation(
    state: State,
    image: torch.Tensor,
    *,
    dim: int,
    eps: float = 1e-15,
    upsample: str = "bicubic",
    acts: tuple[str, ...] = ("hswish",) * 6,
    inputs: tuple[int, ...] = (4, 3, 2),
    stride: int = 8,
) -> torch.Tensor:
    """Logits at 1 / stride of the image. `acts`: stem, stages 1 to 4, head."""
    maps = backbone(state, image, dim, eps, acts[:5])
    size = (image.shape[2] // stride, image.shape[3] // stride)
    total = torch.zeros(())
    for i, stage in enumerate(inputs):
        chained = f"head.input_ops.{i}.op_list.0"
        prefix = chained if f"{chained}.conv.weight" in state else f"head.input_ops.{i}"
        y = conv_layer(state, prefix, maps[stage])
        total = total + (y if y.shape[2:] == size else fn.interpolate(y, size, mode=upsample, align_corners=False))
    for i in _numbers(state, "head.middle.op_list"):
        total = total + bottleneck(state, f"head.middle.op_list.{i}.main", total, 1, acts[5])
    layers = _numbers(state, "head.output_ops.0.op_list")
    for i in layers:
        total = conv_layer(state, f"head.output_ops.0.op_list.{i}", total, act=acts[5] if i != layers[-1] else None)
    return total


def classification(
    state: State, image: torch.Tensor, *, dim: int, eps: float = 1e-15, acts: tuple[str, ...] = ("hswish",) * 6
) -> torch.Tensor:
    """Class scores. `acts`: stem, stages 1 to 4, head."""
    x = conv_layer(state, "head.op_list.0", backbone(state, image, dim, eps, acts[:5])[4], act=acts[5])
    x = x.mean((2, 3)) @ state["head.op_list.2.linear.weight"].T
    x = (x - x.mean(1, keepdim=True)) / torch.sqrt(x.var(1, unbiased=False, keepdim=True) + 1e-5)
    x = ACTIVATION[acts[5]](x * state["head.op_list.2.norm.weight"] + state["head.op_list.2.norm.bias"])
    return x @ state["head.op_list.3.linear.weight"].T + state["head.op_list.3.linear.bias"]


def norm_keys(prefix: str) -> list[str]:
    """Tensors of a BatchNorm."""
    return [f"{prefix}.norm.{k}" for k in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")]


def bottleneck_keys(prefix: str, *, fewer_norm: bool) -> list[str]:
    """Tensors of an MBConv; with fewer norm its first two convolutions have a bias and no BatchNorm."""
    keys = []
    for name in ("inverted_conv", "depth_conv", "point_conv"):
        keys.append(f"{prefix}.{name}.conv.weight")
        biased = fewer_norm and name != "point_conv"
        keys += [f"{prefix}.{name}.conv.bias"] if biased else norm_keys(f"{prefix}.{name}")
    return keys


def official_keys(
    depths: tuple[int, ...], *, head_depth: int | None = None, final_expand: bool = True, scales: int = 1
) -> set[str]:
    """Names in an official state_dict. `depths` as published (stem, s1..s4); `head_depth` None: classification."""
    keys = ["backbone.input_stem.op_list.0.conv.weight", *norm_keys("backbone.input_stem.op_list.0")]
    for i in range(1, depths[0] + 1):
        for name in ("depth_conv", "point_conv"):
            prefix = f"backbone.input_stem.op_list.{i}.main.{name}"
            keys += [f"{prefix}.conv.weight", *norm_keys(prefix)]
    for stage in range(4):
        attends = stage >= 2
        keys += bottleneck_keys(f"backbone.stages.{stage}.op_list.0.main", fewer_norm=attends)
        for i in range(1, depths[stage + 1] + (1 if attends else 0)):
            prefix = f"backbone.stages.{stage}.op_list.{i}"
            if not attends:
                keys += bottleneck_keys(f"{prefix}.main", fewer_norm=False)
                continue
            msa = f"{prefix}.context_module.main"
            keys += [f"{msa}.qkv.conv.weight", f"{msa}.proj.conv.weight", *norm_keys(f"{msa}.proj")]
            keys += [f"{msa}.aggreg.{scale}.{j}.weight" for scale in range(scales) for j in (0, 1)]
            keys += bottleneck_keys(f"{prefix}.local_module.main", fewer_norm=True)
    return {*keys, *_head_keys(head_depth, final_expand)}


def _head_keys(head_depth: int | None, final_expand: bool) -> list[str]:
    if head_depth is None:
        keys = ["head.op_list.0.conv.weight", *norm_keys("head.op_list.0"), "head.op_list.2.linear.weight"]
        return [
            *keys,
            *(f"head.op_list.{i}" for i in ("2.norm.weight", "2.norm.bias", "3.linear.weight", "3.linear.bias")),
        ]
    keys = []
    for prefix in ("head.input_ops.0.op_list.0", "head.input_ops.1.op_list.0", "head.input_ops.2"):
        keys += [f"{prefix}.conv.weight", *norm_keys(prefix)]
    for i in range(head_depth):
        keys += bottleneck_keys(f"head.middle.op_list.{i}.main", fewer_norm=False)
    out = "head.output_ops.0.op_list"
    if final_expand:
        keys += [f"{out}.0.conv.weight", *norm_keys(f"{out}.0")]
    return [*keys, f"{out}.{int(final_expand)}.conv.weight", f"{out}.{int(final_expand)}.conv.bias"]
