"""A supernet's file: its weights by stored name, and the space that they are for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from evit_nas.accuracy.supernet.supernet import Supernet, extract
from evit_nas.errors import CheckpointError, InputError
from evit_nas.files import write_bytes
from evit_nas.model.checkpoint import CHECKSUM, Checkpoint, content_digest
from evit_nas.model.description import Normalisation
from evit_nas.model.formats import read_raw, safetensors_bytes
from evit_nas.seal import PREFIX
from evit_nas.space.arch import ArchConfig, Resolution, SegHead, parse_resolution
from evit_nas.space.document import read_text
from evit_nas.space.space import SearchSpace, parse_space, shipped_spaces

_ENTRY = PREFIX + "supernet"


@dataclass(frozen=True, kw_only=True)
class About:
    """What a supernet was trained for: the text of its space, the class names, the largest input size."""

    space_text: str
    class_names: tuple[str, ...]
    resolution: Resolution
    notes: Mapping[str, str] = field(default_factory=dict)
    normalisation: Normalisation = field(default_factory=Normalisation)

    def space(self, source: str) -> SearchSpace:
        """The space, with as many classes as there are names."""
        return with_classes(parse_space(self.space_text, source), len(self.class_names))


def with_classes(space: SearchSpace, classes: int) -> SearchSpace:
    """The same space for another number of classes."""
    return SearchSpace(replace(space.spec, classes=classes))


def space_text(name_or_path: str | Path) -> str:
    """The YAML of a shipped space, or of the file."""
    shipped = shipped_spaces()
    return shipped[str(name_or_path)] if str(name_or_path) in shipped else read_text(Path(name_or_path))


def save_supernet(path: Path, supernet: Supernet, about: About) -> None:
    """Write whole or not at all. Raises InputError where the disk refuses."""
    order = torch.contiguous_format
    tensors = {name: value.detach().to("cpu").clone(memory_format=order) for name, value in supernet.tensors.items()}
    described = {
        "space": about.space_text,
        "class_names": about.class_names,
        "resolution": "x".join(map(str, about.resolution)),
        "mean": about.normalisation.mean,
        "std": about.normalisation.std,
        "notes": dict(about.notes),
    }
    entries = {_ENTRY: json.dumps(described)}
    entries[CHECKSUM] = content_digest(tensors, entries)
    write_bytes(path, safetensors_bytes(tensors, entries))


def is_supernet(path: Path) -> bool:
    """Whether the file says that it holds a supernet. Raises CheckpointError where it is no weights file at all."""
    return _ENTRY in read_raw(path)[1]


def load_supernet(path: Path) -> tuple[Supernet, About]:
    """The supernet and what it is for. Raises CheckpointError for any other file, or an altered one."""
    tensors, entries = read_raw(path)
    if _ENTRY not in entries:
        raise CheckpointError(f"{path}: not a supernet; `evit-nas supernet train` writes one (supernet.safetensors)")
    if entries.get(CHECKSUM) != content_digest(tensors, entries):
        raise CheckpointError(f"{path}: altered since it was written (its checksum differs); take an intact copy")
    about = _parse(entries[_ENTRY])
    supernet = Supernet(about.space(str(path)))
    state = {f"stored.{name}": tensor for name, tensor in tensors.items()}
    shapes = {name: tensor.shape for name, tensor in supernet.state_dict().items()}
    if {name: tensor.shape for name, tensor in state.items()} != shapes:
        raise CheckpointError(f"{path}: its weights are of another version of this tool; train it again")
    supernet.load_state_dict(state)
    return supernet, about


def _parse(text: str) -> About:
    """What `save_supernet` wrote; the checksum has vouched for it."""
    found = json.loads(text)
    (r, g, b), (sr, sg, sb) = found["mean"], found["std"]
    return About(
        space_text=found["space"],
        class_names=tuple(found["class_names"]),
        resolution=parse_resolution(found["resolution"]),
        notes=found["notes"],
        normalisation=Normalisation(mean=(r, g, b), std=(sr, sg, sb)),
    )


def fitting(supernet: Supernet, checkpoint: Checkpoint) -> tuple[ArchConfig, dict[str, torch.Tensor]]:
    """The member that a checkpoint's weights are of, and its state with them, ready for `warm_start`.

    A file that does not say what it is may be any official member. The classifier is kept where the numbers of
    classes are equal, else it starts anew. Raises InputError where no member fits.
    """
    space = supernet.space
    own = checkpoint.arch
    known = [own] if own is not None else [space.member(name) for name in space.members]
    for arch in known:
        arch = replace(arch, head=replace(arch.head, classes=space.spec.classes))
        reason = space.contains(arch, space.resolutions[0])
        if reason is not None and own is not None:
            raise InputError(f"{checkpoint.source}: not a member of {space.name}: {reason}")
        if reason is None:
            state = extract(supernet, arch)
            given = {name: t for name, t in checkpoint.state.items() if name in state and t.shape == state[name].shape}
            if all(name in given or _may_differ(name, arch) for name in state):
                return arch, {**state, **given}
    members = ", ".join(space.members) or "none by name"
    raise InputError(f"{checkpoint.source}: fits no official member of {space.name} ({members})")


def _may_differ(name: str, arch: ArchConfig) -> bool:
    """Of the classifier, and of counters that inference does not need."""
    last = 0 if isinstance(arch.head, SegHead) and arch.head.final_expand is None else 1
    return name.startswith(f"head.output_ops.0.op_list.{last}.conv.") or name.endswith(".num_batches_tracked")
