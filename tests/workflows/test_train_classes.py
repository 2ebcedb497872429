"""A backbone on a miniature ImageNet folder: checked, trained, evaluated as checkpoint and as model files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evit_nas.errors import InputError
from evit_nas.space.arch import ArchConfig, ClsHead, StageConfig, StemConfig
from evit_nas.space.space import shipped_spaces
from evit_nas.workflows.data import data_check
from evit_nas.workflows.evaluate import evaluate
from evit_nas.workflows.export import export
from evit_nas.workflows.supernet import supernet_train
from evit_nas.workflows.train import train

RECIPE = """schema: evit-nas/recipe-1
resolution: 32x32
epochs: 8
batch: 6
learning_rate: 0.01
norm_images: 12
evaluate_every: 4
augmentation: {scale_min: 1.0, scale_max: 1.5, flip: true, colour: 0.1}
"""
COLOURS = {"n01": (200, 40, 40), "n02": (40, 200, 40), "n03": (40, 40, 200)}
pytestmark = pytest.mark.usefixtures("alone")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three colours with noise, images of several sizes."""
    rng, folder = np.random.default_rng(0), tmp_path / "imagenet"
    for split, count in (("train", 8), ("val", 2)):
        for name, colour in COLOURS.items():
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                shape = (int(rng.integers(30, 60)), int(rng.integers(30, 60)), 3)
                pixels = np.clip(np.array(colour) + rng.integers(-30, 31, shape), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{number}.JPEG")
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    return folder


def arch() -> ArchConfig:
    """Made for another number of classes: the data set's counts."""
    stages = (StageConfig(width=8), StageConfig(width=8), StageConfig(width=16), StageConfig(width=16))
    return ArchConfig(stem=StemConfig(width=8), stages=stages, head=ClsHead(classes=1000, widths=(32, 32)), head_dim=8)


def test_from_folders_of_classes_to_a_model_file(root: Path) -> None:
    assert data_check(dataset="imagenet", root=root).valid
    out = root.parent / "run"
    result = train(arch(), dataset="imagenet", root=root, recipe=root.parent / "recipe.yaml", out=out)
    assert result.miou is None
    assert result.top1 is not None
    assert result.top1 > 90
    assert result.top5 == 100.0
    assert "miou" not in result.to_json()
    assert (out / "history.csv").read_text().startswith("epoch,step,learning_rate,loss,seconds,top1\n")
    again = evaluate(result.checkpoint, dataset="imagenet", root=root, out=root.parent / "figures")
    assert (again.top1, again.top5, again.images, again.confusion) == (result.top1, 100.0, 6, ())
    assert again.files[0].is_file()
    files = export(result.checkpoint, formats=("tflite", "onnx"), out=root.parent / "export").files
    assert {evaluate(file, dataset="imagenet", root=root).top1 for file in files.values()} == {result.top1}
    with pytest.raises(InputError, match="the network classifies whole images; the data set scenes is for one that"):
        evaluate(result.checkpoint, dataset="scenes")


def test_what_is_not_for_whole_images(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"b0: a seg network, data set imagenet is for cls; try b0-cls"):
        train("b0", dataset="imagenet", root=root, out=tmp_path / "seg")
    recipe = tmp_path / "auxiliary.yaml"
    recipe.write_text(RECIPE + "auxiliary: 0.4\n")
    with pytest.raises(InputError, match=r"auxiliary 0\.4: the second classifier is one of pixels"):
        train(arch(), dataset="imagenet", root=root, recipe=recipe, out=tmp_path / "auxiliary")
    space = tmp_path / "space.yaml"
    space.write_text(shipped_spaces()["efficientvit-seg-small"])
    with pytest.raises(InputError, match="a supernet is trained for segmentation"):
        supernet_train(space, dataset="imagenet", root=root, out=tmp_path / "supernet")
