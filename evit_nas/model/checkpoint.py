"""Weights files: official ones and those of this tool, which describe themselves and carry a checksum."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from evit_nas.errors import CheckpointError, InputError
from evit_nas.files import write_bytes
from evit_nas.model.description import Description, described, pack, parse
from evit_nas.model.formats import read_raw, safetensors_bytes, zip_bytes
from evit_nas.seal import PREFIX
from evit_nas.space.arch import ArchConfig, Resolution, Upsample

CHECKSUM = PREFIX + "checksum"
_SHOWN = 8  # keys that an error names before it only counts
_OUTPUT_BIAS = re.compile(r"head\.(output_ops\.0\.op_list\.\d+\.conv|op_list\.3\.linear)\.bias")
_COUNTER = ".num_batches_tracked"  # a training counter: may be absent, never needed for inference


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """Tensors in the official layout (float32) and, in files of this tool, what they are."""

    state: Mapping[str, torch.Tensor]
    description: Description | None = None
    source: str = "checkpoint"

    @property
    def arch(self) -> ArchConfig | None:
        return self.description.arch if self.description else None

    @property
    def resolution(self) -> Resolution | None:
        return self.description.resolution if self.description else None


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read an official .pt file (bare or under "state_dict"), safetensors, or a checkpoint of this tool.

    Nothing in the file is executed. Raises CheckpointError, in one line, for anything else, and for a checkpoint of
    this tool whose content does not match its checksum.
    """
    state, entries = read_raw(Path(path))
    if not described(entries):
        return Checkpoint(state=state, source=str(path))
    if entries.get(CHECKSUM) != content_digest(state, entries):
        raise CheckpointError(f"{path}: altered since it was written (its checksum differs); take an intact copy")
    try:
        return Checkpoint(state=state, description=parse(entries, str(path)), source=str(path))
    except InputError as error:
        raise CheckpointError(str(error)) from None


def save_checkpoint(
    path: str | Path, weights: nn.Module | Mapping[str, torch.Tensor], description: Description
) -> None:
    """Write a checkpoint that describes itself, whole or not at all (InputError where it cannot be written).

    A name that ends in .pt or .pth gives a file for `torch.load(weights_only=True)` and the official loader (tensors
    under "state_dict"); any other name a safetensors file, which has no pickle in it at all.
    """
    state = weights.state_dict() if isinstance(weights, nn.Module) else weights
    tensors = {name: _stored(tensor) for name, tensor in state.items()}
    entries = pack(description)
    entries[CHECKSUM] = content_digest(tensors, entries)
    encode = zip_bytes if Path(path).suffix in (".pt", ".pth") else safetensors_bytes
    write_bytes(Path(path), encode(tensors, entries))


def _stored(tensor: torch.Tensor) -> torch.Tensor:
    dtype = torch.float32 if tensor.is_floating_point() else torch.int64
    return tensor.detach().to("cpu", dtype).clone(memory_format=torch.contiguous_format)


def content_digest(state: Mapping[str, torch.Tensor], entries: Mapping[str, str]) -> str:
    """SHA-256 of all tensors (name, dtype, shape, values) and text entries, whatever the file format."""
    digest = hashlib.sha256()
    for name in sorted(state):
        values = state[name].numpy()
        digest.update(json.dumps([name, str(values.dtype), list(values.shape)]).encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    digest.update(json.dumps({k: v for k, v in entries.items() if k != CHECKSUM}, sort_keys=True).encode())
    return digest.hexdigest()


def load_weights(module: nn.Module, checkpoint: Checkpoint) -> None:
    """Copy the weights into `module`, strictly: a CheckpointError names every key or shape that does not fit."""
    expected = module.state_dict()
    given = checkpoint.state
    missing = [name for name in expected if name not in given and not name.endswith(_COUNTER)]
    unexpected = [name for name in given if name not in expected]
    shapes = [
        f"{name} {list(given[name].shape)} instead of {list(expected[name].shape)}"
        for name in expected
        if name in given and given[name].shape != expected[name].shape
    ]
    faults = [
        f"{len(names)} {what}: {_listed(names)}"
        for what, names in (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
        if names
    ]
    if faults:
        raise CheckpointError(f"{checkpoint.source} does not fit the architecture: {'; '.join(faults)}")
    module.load_state_dict({**expected, **given})


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def classes_of(checkpoint: Checkpoint) -> int:
    """Number of classes: the length of the last layer's bias. Raises CheckpointError where there is none."""
    sizes = [tensor.numel() for name, tensor in checkpoint.state.items() if _OUTPUT_BIAS.fullmatch(name)]
    if len(sizes) != 1:
        raise CheckpointError(
            f"{checkpoint.source}: no output layer in the official layout (head.output_ops.0.op_list.N.conv.bias or "
            "head.op_list.3.linear.bias)"
        )
    return sizes[0]


def with_classes(arch: ArchConfig, classes: int) -> ArchConfig:
    """The same body with another number of classes."""
    return replace(arch, head=replace(arch.head, classes=classes))


def fit_arch(arch: ArchConfig | None, checkpoint: Checkpoint, *, upsample: Upsample | None = None) -> ArchConfig:
    """The architecture to build for `checkpoint`: `arch`, or its own where None, with its number of classes.

    Upsampling is `upsample` where given, else the checkpoint's own, else bicubic (official weights were trained with
    it). Raises CheckpointError where the bodies differ, or where neither side says what the network is.
    """
    own = checkpoint.arch
    if own is not None:
        if arch is not None and _body(arch) != _body(own):
            raise CheckpointError(f"{checkpoint.source}: its architecture is not the one asked for; leave that one out")
        return replace(own, upsample=upsample or own.upsample)
    if arch is None:
        raise CheckpointError(f"{checkpoint.source} does not say what it is: name its architecture")
    return replace(with_classes(arch, classes_of(checkpoint)), upsample=upsample or "bicubic")


def _body(arch: ArchConfig) -> Any:
    return replace(with_classes(arch, 1), upsample="bilinear", eps=0.0)


def module_state(module: nn.Module) -> dict[str, torch.Tensor]:
    """The tensors of `module` as a checkpoint holds them, detached."""
    return {name: tensor.detach() for name, tensor in module.state_dict().items()}
