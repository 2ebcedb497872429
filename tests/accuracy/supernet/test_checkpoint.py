from __future__ import annotations

from pathlib import Path

import pytest
import torch

from evit_nas.accuracy.supernet.checkpoint import About, load_supernet, save_supernet, space_text, with_classes
from evit_nas.accuracy.supernet.supernet import Supernet
from evit_nas.errors import CheckpointError
from evit_nas.model.efficientvit import build
from evit_nas.space.arch import named_arch
from evit_nas.space.space import load_space

SMALL = "efficientvit-seg-small"
NAMES = ("road", "car", "sky")
SPACE = with_classes(load_space(SMALL), len(NAMES))


@pytest.fixture(scope="module")
def supernet() -> Supernet:
    torch.manual_seed(0)
    return Supernet(SPACE)


def test_a_file_gives_weights_and_space_back(supernet: Supernet, tmp_path: Path) -> None:
    about = About(space_text=space_text(SMALL), class_names=NAMES, resolution=(128, 192), notes={"epochs": "3"})
    path = tmp_path / "supernet.safetensors"
    save_supernet(path, supernet, about)
    loaded, found = load_supernet(path)
    assert found == about
    assert loaded.space.spec.classes == len(NAMES)
    assert all(torch.equal(loaded.tensors[name], tensor) for name, tensor in supernet.tensors.items())
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="altered since it was written"):
        load_supernet(path)


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "b0.pt"
    torch.save(build(named_arch("b0")).state_dict(), path)
    with pytest.raises(CheckpointError, match="not a supernet"):
        load_supernet(path)
