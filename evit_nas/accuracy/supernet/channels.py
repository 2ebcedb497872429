"""Which channels lie along the axes of a stored tensor (slices.py): tensors that share channels must be cut alike.

Channels are named by their place: `stem`, `stage3`, `stage3.block1.mid` (inside of an MBConv), `stage3.block1.heads`,
`head`, `head.block0.mid`, `head.final`, `head.features`, `head.pooled`, `classes`. An axis without a name holds what
is never reordered: colours, the single input of a depthwise filter, q, k and v, the channels inside of a head.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

_WIDTHS = ("stem", "stage1", "stage2", "stage3", "stage4")


@dataclass(frozen=True, slots=True)
class Axes:
    """Names of the leading axes: what a filter is one of, then what it reads. Kernel axes follow without a name."""

    outputs: tuple[str, ...]
    inputs: tuple[str, ...]


def axes(stored: str) -> Axes:
    """Of a tensor as `spread` shows it. Vectors (biases, normalisations) have the outputs alone."""
    match stored.split("/"):
        case ["backbone", "input_stem", "op_list", "0", *_]:
            return Axes(("stem",), ("",))
        case ["backbone", "input_stem", "op_list", _, "main", part, *_]:
            return Axes(("stem",), ("stem" if part == "point_conv" else "",))
        case ["backbone", "stages", stage, "op_list", block, "main", part, *_]:
            own = int(stage) + 1
            given = _WIDTHS[own - 1 if block == "0" else own]
            return _mbconv(part, given, f"{_WIDTHS[own]}.block{block}.mid", _WIDTHS[own])
        case ["backbone", "stages", stage, "op_list", block, "context_module", "main", part, *rest]:
            return _attention(part, rest, _WIDTHS[int(stage) + 1], block)
        case ["head", *rest]:
            return _head(rest)
    raise AssertionError(stored)


def _mbconv(part: str, given: str, mid: str, out: str) -> Axes:
    if part == "depth_conv":
        return Axes((mid,), ("",))
    return Axes((out,), (mid,)) if part == "point_conv" else Axes((mid,), (given,))


def _attention(part: str, rest: list[str], width: str, block: str) -> Axes:
    heads = f"{width}.block{block}.heads"
    if part == "proj":
        return Axes((width,), () if rest[0] == "norm" else (heads, ""))
    return Axes((heads, "", ""), (width if part == "qkv" else "",))


def _head(rest: list[str]) -> Axes:
    match rest:
        case ["inputs", stage, *_]:
            return Axes(("head",), (stage,))
        case ["mbconv" | "fmbconv", block, "main", part, *_]:
            return _mbconv(part, "head", f"head.block{block}.mid", "head")
        case ["output", "direct", *_]:
            return Axes(("classes",), ("head",))
        case ["output", "expanded", "0", *_]:
            return Axes(("head.final",), ("head",))
        case ["output", "expanded", _, *_]:
            return Axes(("classes",), ("head.final",))
        case ["op_list", "0", *_]:
            return Axes(("head.features",), ("stage4",))
        case ["op_list", "2", *_]:
            return Axes(("head.pooled",), ("head.features",))
        case ["op_list", "3", *_]:
            return Axes(("classes",), ("head.pooled",))
    raise AssertionError(rest)


def spread(stored: str, tensor: torch.Tensor, head_dim: int) -> torch.Tensor:
    """A view with an axis of its own for heads: [3T, ...] as [h, 3, d, ...], the projection [C, T, ...] as
    [C, h, d, ...]; any other tensor as it is. T = h * d."""
    match stored.split("/"):
        case [*_, "main", "qkv", "conv", "weight"] | [*_, "main", "aggreg", _, _, "weight"]:
            return torch.unflatten(tensor, 0, (-1, 3, head_dim))
        case [*_, "proj", last] if last != "norm":
            return torch.unflatten(tensor, 1, (-1, head_dim))
    return tensor


def most_important(source: dict[str, torch.Tensor], sizes: dict[str, int], head_dim: int) -> dict[str, torch.Tensor]:
    """`source` (stored names) with at most `sizes` channels of each name.

    Kept are the channels whose readers have the largest weights (mean magnitude, as in Once-for-all, Cai et al. 2020,
    section 3.3), in their order.
    """
    worth = _worth(source, head_dim)
    kept = {
        name: values.topk(sizes[name]).indices.sort().values
        for name, values in worth.items()
        if name in sizes and sizes[name] < len(values)
    }
    return {name: _selected(name, tensor, kept, head_dim) for name, tensor in source.items()}


def channel_counts(stored: dict[str, torch.Tensor], head_dim: int) -> dict[str, int]:
    """Channels by name."""
    counts: dict[str, int] = {}
    for name, tensor in stored.items():
        own, shown = axes(name), spread(name, tensor, head_dim)
        counts.update(zip((*own.outputs, *own.inputs), shown.shape, strict=False))
    counts.pop("", None)
    return counts


def _worth(source: dict[str, torch.Tensor], head_dim: int) -> dict[str, torch.Tensor]:
    """By name of channels: the mean magnitude of what reads each of them, every reader counting the same."""
    worth: dict[str, torch.Tensor] = {}
    for name, tensor in source.items():
        own = axes(name)
        if tensor.ndim < 2 or not own.inputs or not own.inputs[0]:
            continue
        shown, axis = spread(name, tensor, head_dim).abs(), len(own.outputs)
        means = shown.transpose(0, axis).flatten(1).mean(1)
        worth[own.inputs[0]] = worth.get(own.inputs[0], 0.0) + means / means.mean().clamp_min(1e-12)
    return worth


def _selected(name: str, tensor: torch.Tensor, kept: dict[str, torch.Tensor], head_dim: int) -> torch.Tensor:
    own, shown = axes(name), spread(name, tensor, head_dim)
    for axis, channels in enumerate((*own.outputs, *own.inputs)[: shown.ndim]):
        if channels in kept:
            shown = shown.index_select(axis, kept[channels])
    if shown.ndim == tensor.ndim:
        return shown
    return shown.flatten(0, 2) if shown.ndim == tensor.ndim + 2 else shown.flatten(1, 2)
