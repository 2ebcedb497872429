"""Which part of which stored tensor each tensor of a member is: the one description that the supernet computes with,
that gradients go back by, and that extraction and warm starts copy by.

A member's tensor takes the leading channels of a stored one and the centre of its kernel. Heads lie one after another
in qkv and in the branches of the attention (q, k and v of each in a row), so fewer heads are leading channels too. The
projection of an attention reads [identity, scale, ...], each with a range for its heads, so it is stored by branch and
joined along its input channels. Names: `official` are those of the official layout (model/efficientvit.py); stored
names have slashes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import nn

from evit_nas.errors import InputError
from evit_nas.model.efficientvit import EfficientViT
from evit_nas.model.lite_mla import linear_attention
from evit_nas.space.arch import ArchConfig, MsaConfig, SegHead

_BRANCH = re.compile(r"backbone\.stages\.(\d+)\.op_list\.(\d+)\.context_module\.main\.(aggreg\.(\d+)|proj\.conv)\.(.+)")
_HEAD_INPUT = re.compile(r"head\.input_ops\.(\d+)\.(?:op_list\.0\.)?(.+)")
_HEAD_BLOCK = re.compile(r"head\.middle\.op_list\.(.+)")
_HEAD_OUTPUT = re.compile(r"head\.output_ops\.0\.op_list\.(\d+)\.(.+)")


@dataclass(frozen=True, slots=True)
class Part:
    """`shape` of a member's tensor, or of one of its ranges of input channels, out of the tensor `stored`."""

    stored: str
    shape: tuple[int, ...]


Parts = Mapping[str, tuple[Part, ...]]  # by official name; more than one are joined along axis 1


@lru_cache(maxsize=64)
def skeleton(arch: ArchConfig, *, statistics: bool) -> EfficientViT:
    """The member as a module without memory, for `torch.func.functional_call`; never changed after it is made.

    Its BatchNorms normalise by `statistics` that the caller passes, or else by those of the batch at hand.
    """
    with torch.device("meta"):
        network = EfficientViT(arch, linear_attention).eval()
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d) and not statistics:
            norm.running_mean = norm.running_var = norm.num_batches_tracked = None
    return network


@lru_cache(maxsize=64)
def parts(arch: ArchConfig) -> Parts:
    """Where each weight of the member lies."""
    shapes = {name: tuple(weight.shape) for name, weight in skeleton(arch, statistics=False).named_parameters()}
    return {name: _parts(arch, name, shape) for name, shape in shapes.items()}


def _parts(arch: ArchConfig, name: str, shape: tuple[int, ...]) -> tuple[Part, ...]:
    branch = _BRANCH.fullmatch(name)
    if branch is None:
        return (Part(_stored(arch, name), shape),)
    block = arch.stages[int(branch[1])].blocks[int(branch[2]) - 1]
    prefix = attention_prefix(int(branch[1]), int(branch[2]))
    assert block.msa is not None
    if branch[4] is not None:
        return (Part(f"{prefix}/aggreg/scale{block.msa.scales[int(branch[4])]}/{_slashed(branch[5])}", shape),)
    names = projections(block.msa)
    cut = (shape[0], shape[1] // len(names), *shape[2:])
    return tuple(Part(f"{prefix}/proj/{own}", cut) for own in names)


def attention_prefix(stage: int, place: int) -> str:
    """Of the stored tensors of an attention. Both count as the official names do: stages from 0, places from 1."""
    return f"backbone/stages/{stage}/op_list/{place}/context_module/main"


def projections(msa: MsaConfig) -> tuple[str, ...]:
    """The stored ranges of an attention's projection, in the order of its input channels."""
    return ("identity", *(f"scale{scale}" for scale in msa.scales))


def _stored(arch: ArchConfig, name: str) -> str:
    """The stored name of a tensor that is not cut: places of one function share it, whatever surrounds them."""
    head = arch.head
    if isinstance(head, SegHead):
        if found := _HEAD_INPUT.fullmatch(name):  # with or without an upsampling after it
            return f"head/inputs/stage{head.inputs[int(found[1])]}/{_slashed(found[2])}"
        if found := _HEAD_BLOCK.fullmatch(name):
            return f"head/{head.block}/{_slashed(found[1])}"
        if found := _HEAD_OUTPUT.fullmatch(name):  # a classifier of expanded features is another function
            expanded = "direct" if head.final_expand is None else "expanded"
            return f"head/output/{expanded}/{found[1]}/{_slashed(found[2])}"
    return _slashed(name.replace(".local_module.main.", ".main."))  # an MBConv is the same with or without attention


def _slashed(name: str) -> str:
    return name.replace(".", "/")


def stored_shapes(archs: Iterable[ArchConfig]) -> dict[str, tuple[int, ...]]:
    """The shapes to store so that each of `archs`, and whatever is smaller than one of them, is a slice."""
    shapes: dict[str, tuple[int, ...]] = {}
    for arch in archs:
        for part in (part for own in parts(arch).values() for part in own):
            known = shapes.get(part.stored, part.shape)
            shapes[part.stored] = tuple(map(max, known, part.shape))
    return shapes


def window(stored: torch.Tensor, part: Part) -> torch.Tensor:
    """The view of `stored` that is `part`: leading in the first two axes, centred in the others (kernels are odd)."""
    for axis, size in enumerate(part.shape):
        start = (stored.shape[axis] - size) // 2 if axis >= 2 else 0
        stored = stored.narrow(axis, start, size)
    return stored


def check_member(stored: Mapping[str, torch.Tensor], arch: ArchConfig) -> None:
    """Raise InputError where the stored tensors do not hold the architecture."""
    for name, own in parts(arch).items():
        for part in own:
            if part.stored not in stored:
                raise InputError(f"not a member of this supernet: it has no weights for {name}")
            have = tuple(stored[part.stored].shape)
            if len(have) != len(part.shape) or any(want > size for want, size in zip(part.shape, have, strict=True)):
                raise InputError(f"not a member of this supernet: {name} needs {part.shape}, {have} are stored")


def take(stored: Mapping[str, torch.Tensor], arch: ArchConfig) -> dict[str, torch.Tensor]:
    """The member's weights by official name: views of the stored tensors, or joined copies; both carry gradients."""
    taken = {}
    for name, own in parts(arch).items():
        windows = [window(stored[part.stored], part) for part in own]
        taken[name] = windows[0] if len(windows) == 1 else torch.cat(windows, dim=1)
    return taken


def pieces(values: Mapping[str, torch.Tensor], arch: ArchConfig) -> Iterable[tuple[Part, torch.Tensor]]:
    """The inverse of `take`: each tensor of `values` (official names) as the parts that it is stored in."""
    for name, own in parts(arch).items():
        whole = values[name]
        cuts = [whole] if len(own) == 1 else torch.split(whole, [part.shape[1] for part in own], dim=1)
        yield from zip(own, cuts, strict=True)
