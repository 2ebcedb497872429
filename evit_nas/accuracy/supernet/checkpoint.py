"""A supernet's file: its weights by stored name, and the space that they are for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from evit_nas.accuracy.supernet.supernet import Supernet
from evit_nas.errors import CheckpointError
from evit_nas.files import write_bytes
from evit_nas.model.checkpoint import CHECKSUM, content_digest
from evit_nas.model.description import Normalisation
from evit_nas.model.formats import read_raw, safetensors_bytes
from evit_nas.seal import PREFIX
from evit_nas.space.arch import Resolution, parse_resolution, resolution_text
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
        "resolution": resolution_text(about.resolution),
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
