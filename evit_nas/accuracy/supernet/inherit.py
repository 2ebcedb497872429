"""Starting a network or a supernet from the weights of another one, of the same shape or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from evit_nas.accuracy.supernet.channels import channel_counts, most_important
from evit_nas.accuracy.supernet.checkpoint import is_supernet, load_supernet
from evit_nas.accuracy.supernet.overlay import Laid, overlay
from evit_nas.accuracy.supernet.slices import parts, pieces, skeleton, take
from evit_nas.accuracy.supernet.supernet import Supernet
from evit_nas.errors import CheckpointError
from evit_nas.model.checkpoint import Checkpoint, classes_of, read_checkpoint, with_classes
from evit_nas.model.efficientvit import EfficientViT
from evit_nas.space.arch import NAMED_ARCHS, ArchConfig, named_arch

_COUNTER = "num_batches_tracked"


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """Tensors by stored name. `ordered`: leading channels are the ones to take (those of a supernet), else the most
    important ones are."""

    tensors: dict[str, torch.Tensor]
    head_dim: int
    ordered: bool


def read_source(path: Path) -> Source:
    """An official checkpoint, one of this tool, or a supernet. Raises CheckpointError for anything else."""
    if is_supernet(path):
        supernet, _ = load_supernet(path)
        tensors = {name: tensor.detach() for name, tensor in supernet.tensors.items()}
        return Source(tensors=tensors, head_dim=supernet.head_dim, ordered=True)
    checkpoint = read_checkpoint(path)
    return source_of(_arch_of(checkpoint), checkpoint.state)


def source_of(arch: ArchConfig, state: Mapping[str, torch.Tensor]) -> Source:
    """The network `arch` with these weights (official names)."""
    return Source(tensors=_stored(arch, state), head_dim=arch.head_dim, ordered=False)


def inherit(network: EfficientViT | Supernet, source: Source) -> list[Laid]:
    """Put what fits of `source` into `network`, freshly built; one line for each of its tensors.

    A classifier of another number of classes starts anew. With equal shapes the result is that of loading the file. A
    supernet keeps no BatchNorm statistics.
    """
    if isinstance(network, Supernet):
        return _lay(source, network.tensors, network.head_dim)
    arch = network.arch
    fresh = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    target = {name: tensor.contiguous() for name, tensor in _stored(arch, fresh).items()}
    lines = _lay(source, target, arch.head_dim)
    buffers = {official: target[stored] for official, stored in _buffers(arch)}
    network.load_state_dict({**take(target, arch), **buffers})
    return [line for line in lines if not line.tensor.endswith(_COUNTER)]


def _lay(source: Source, target: dict[str, torch.Tensor], head_dim: int) -> list[Laid]:
    given = source.tensors
    if not source.ordered:
        given = most_important(given, channel_counts(target, head_dim), source.head_dim)
    lines = overlay(given, target, source_head_dim=source.head_dim, target_head_dim=head_dim)
    shapes = {name: tuple(tensor.shape) for name, tensor in source.tensors.items()}
    return [_as_in_the_file(line, shapes) for line in lines]


def _as_in_the_file(line: Laid, shapes: dict[str, tuple[int, ...]]) -> Laid:
    """With the shape that the tensor has in the file, before its channels were chosen."""
    shape = shapes.get(line.tensor)
    cut = line.taken == "whole" and shape != line.shape
    return replace(line, source_shape=shape, taken="part" if cut else line.taken)


def _stored(arch: ArchConfig, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A whole state, BatchNorm buffers included, by stored name."""
    buffers = {stored: state[official] for official, stored in _buffers(arch) if official in state}
    return {part.stored: value for part, value in pieces(state, arch)} | buffers


def _buffers(arch: ArchConfig) -> Iterator[tuple[str, str]]:
    """Official and stored name of each BatchNorm buffer: beside the weight of its normalisation."""
    weights = parts(arch)
    for name, _ in skeleton(arch, statistics=True).named_buffers():
        place, _, what = name.rpartition(".")
        yield name, weights[f"{place}.weight"][0].stored.removesuffix("weight") + what


def _arch_of(checkpoint: Checkpoint) -> ArchConfig:
    """What a file says it is, or the official network whose tensors it has."""
    if checkpoint.arch is not None:
        return checkpoint.arch
    classes = classes_of(checkpoint)
    given = {name: t.shape for name, t in checkpoint.state.items() if not name.endswith(_COUNTER)}
    for name in NAMED_ARCHS:
        arch = with_classes(named_arch(name), classes)
        state = skeleton(arch, statistics=True).state_dict()
        if given == {name: t.shape for name, t in state.items() if not name.endswith(_COUNTER)}:
            return arch
    raise CheckpointError(
        f"{checkpoint.source}: neither describes itself nor has the tensors of an official network; valid: a "
        f"checkpoint of this tool, a supernet, or official weights of {', '.join(NAMED_ARCHS)}"
    )
