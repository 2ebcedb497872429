from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from evit_nas.accuracy.supernet.checkpoint import About, fitting, load_supernet, save_supernet, space_text, with_classes
from evit_nas.accuracy.supernet.supernet import Supernet, warm_start
from evit_nas.errors import CheckpointError, InputError
from evit_nas.model.checkpoint import Checkpoint
from evit_nas.model.description import Description
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


@torch.no_grad()
def test_an_official_state_is_known_by_its_shapes_and_starts_the_supernet(supernet: Supernet) -> None:
    b1 = build(named_arch("b1"))  # 19 classes: the classifier starts anew
    arch, state = fitting(supernet, Checkpoint(state=b1.state_dict()))
    assert arch == SPACE.member("b1")
    warm_start(supernet, arch, state)
    x = torch.randn(1, 3, 64, 64)
    mine = build(arch)
    mine.load_state_dict(state)
    torch.testing.assert_close(supernet(x, arch), mine.train()(x), rtol=0, atol=1e-5)
    assert torch.equal(
        state["backbone.input_stem.op_list.0.conv.weight"], b1.backbone.input_stem.op_list[0].conv.weight
    )


def test_what_fits_no_member_is_refused(supernet: Supernet) -> None:
    with pytest.raises(InputError, match=r"fits no official member of efficientvit-seg-small \(b0, b1\)"):
        fitting(supernet, Checkpoint(state={"x": torch.zeros(1)}))
    b0 = named_arch("b0")
    own = Description(arch=replace(b0, stem=replace(b0.stem, width=24)))
    with pytest.raises(InputError, match=r"not a member of efficientvit-seg-small: stem\.width is 24"):
        fitting(supernet, Checkpoint(state={}, description=own))
