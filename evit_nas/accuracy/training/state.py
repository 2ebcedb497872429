"""Everything that a training needs to go on as if it had never stopped, in one file without a pickle.

The order of the data and its random views are functions of (seed, step), so the step is all there is to keep of them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from evit_nas.accuracy.training.average import Average
from evit_nas.accuracy.training.optimiser import moments, set_moments
from evit_nas.errors import CheckpointError, InputError
from evit_nas.files import write_bytes
from evit_nas.model.checkpoint import CHECKSUM, content_digest
from evit_nas.model.formats import read_raw, safetensors_bytes

_PARTS = ("network", "average", "moments")
_LATER = {"largest_every": 1}  # what requests of supernets did not say at first, and how it was then


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochRow:
    """One line of the history. `loss` is the mean of the epoch; `score` that on val in percent (mIoU, or top-1 where
    images have one class each), None where it was not taken."""

    epoch: int
    step: int
    learning_rate: float
    loss: float
    seconds: float
    score: float | None = None


@dataclass(kw_only=True)
class State:
    """A training between two epochs. `step` steps are done."""

    network: nn.Module
    average: Average
    optimiser: torch.optim.Optimizer
    step: int = 0
    history: list[EpochRow] = field(default_factory=list)


def save_state(path: Path, state: State, request: str) -> None:
    """Write whole or not at all. `request` says what is trained and how. Raises InputError where the disk refuses."""
    tensors = _flat(state)
    history = json.dumps([asdict(row) for row in state.history])
    entries = {"request": request, "step": str(state.step), "history": history}
    entries[CHECKSUM] = content_digest(tensors, entries)
    write_bytes(path, safetensors_bytes(tensors, entries))


def restore_state(path: Path, state: State, request: str) -> None:
    """Fill `state`, fresh for the same request, from the file. Raises InputError where it belongs to another one."""
    tensors, entries = read_raw(path)
    if entries.get(CHECKSUM) != content_digest(tensors, entries):
        raise CheckpointError(f"{path}: altered since it was written (its checksum differs); start the training anew")
    differing = _difference(json.loads(entries["request"]), json.loads(request))
    if differing:
        raise InputError(f"{path}: belongs to another training ({differing}); choose another --out")
    parts = {part: _part(tensors, part) for part in _PARTS}
    state.network.load_state_dict(parts["network"])
    for name, tensor in state.average.state.items():
        tensor.copy_(parts["average"][name])
    set_moments(state.network, state.optimiser, parts["moments"])
    state.step = int(entries["step"])
    state.history = [_row(row) for row in json.loads(entries["history"])]


def _flat(state: State) -> dict[str, torch.Tensor]:
    parts = {
        "network": state.network.state_dict(),
        "average": state.average.state,
        "moments": moments(state.network, state.optimiser),
    }
    return {
        f"{part}/{name}": tensor.detach().to("cpu").clone(memory_format=torch.contiguous_format)
        for part, tensors in parts.items()
        for name, tensor in tensors.items()
    }


def _row(stored: dict[str, Any]) -> EpochRow:
    """In files of earlier versions the score is called `miou`."""
    return EpochRow(**{"score" if name == "miou" else name: value for name, value in stored.items()})


def _part(tensors: dict[str, torch.Tensor], part: str) -> dict[str, torch.Tensor]:
    prefix = f"{part}/"
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _difference(stored: dict[str, object], wanted: dict[str, object]) -> str:
    """Names of what differs. What a file says nothing of was as in _LATER."""
    stored = {**{key: value for key, value in _LATER.items() if key in wanted}, **stored}
    return ", ".join(sorted(key for key in {**stored, **wanted} if stored.get(key) != wanted.get(key)))
