from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from evit_nas.accuracy.data.dataset import Dataset
from evit_nas.accuracy.data.scenes import CLASSES, SceneSplit
from evit_nas.accuracy.evaluation.board import Board, class_colours, overlay
from evit_nas.accuracy.evaluation.models import TorchModel
from evit_nas.accuracy.training.state import EpochRow
from evit_nas.errors import InputError
from evit_nas.model.efficientvit import build
from evit_nas.space.arch import named_arch

DATASET = Dataset(name="scenes", classes=CLASSES, splits={"val": SceneSplit(seed=(0, 2), size=2)})


def test_an_overlay_is_half_image_half_class() -> None:
    image = torch.full((3, 4, 4), 100, dtype=torch.uint8)
    ids = torch.tensor([[0, 1], [1, 255]])
    colours = torch.tensor([[200, 0, 0], [0, 0, 50]], dtype=torch.uint8)
    found = overlay(image, ids, colours)
    assert found[:, 0, 0].tolist() == [150, 50, 50]
    assert found[:, 0, 1].tolist() == [50, 50, 75]
    assert found[:, 1, 1].tolist() == [100, 100, 100]  # ignored


def test_classes_have_colours_of_their_own() -> None:
    colours = class_colours(19)
    assert len({tuple(colour) for colour in colours.tolist()}) == 19


def test_without_the_package_there_is_a_clear_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match=r"not installed; pip install 'evit-nas\[tensorboard\]'"):
        Board(tmp_path, DATASET, (64, 96))


def test_scalars_and_overlays_are_written(tmp_path: Path) -> None:
    events = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="the package tensorboard is not installed"
    )
    board = Board(tmp_path, DATASET, (64, 96))
    arch = named_arch("b0")
    network = build(arch).eval()
    board.predictions(TorchModel(network=network))
    board.epoch(EpochRow(epoch=1, step=4, learning_rate=0.1, loss=1.5, seconds=1.0, score=12.5))
    board.epoch(EpochRow(epoch=2, step=8, learning_rate=0.1, loss=1.0, seconds=1.0))
    board.close()
    read = events.EventAccumulator(str(tmp_path)).Reload()
    assert [(event.step, event.value) for event in read.Scalars("loss")] == [(4, 1.5), (8, 1.0)]
    assert [(event.step, event.value) for event in read.Scalars("val/miou")] == [(4, 12.5)]
    assert [(image.step, image.height, image.width) for image in read.Images("val/1")] == [(4, 128, 384)]
