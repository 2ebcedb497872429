from __future__ import annotations

from pathlib import Path

import pytest

from evit_nas.accuracy.data.catalogue import open_dataset
from evit_nas.accuracy.data.check import check_dataset
from evit_nas.errors import InputError


@pytest.fixture
def imagenet(put, tmp_path: Path) -> Path:
    """The layout of ImageNet with three classes, the third one with two images for training."""
    for split in ("train", "val"):
        for number, name in enumerate(("n01440764", "n01443537", "n01484850")):
            put(f"{split}/{name}/{name}_{split}.JPEG", 80 * number, channels=3)
    put("train/n01484850/another.JPEG", 160, channels=3)
    return tmp_path


def test_classes_are_numbered_by_the_order_of_their_folders(imagenet: Path) -> None:
    dataset = open_dataset("imagenet", imagenet)
    assert (dataset.classes, dataset.metric) == (("n01440764", "n01443537", "n01484850"), "top1")
    train = dataset.split("train")
    assert [int(train.label(index)) for index in range(len(train))] == [0, 1, 2, 2]
    example = train.read(1)
    assert (int(example.label), example.image.shape) == (1, (3, 6, 8))
    assert int(example.image.float().mean()) == 80


def test_a_sound_set_of_images(imagenet: Path) -> None:
    report = check_dataset("imagenet", imagenet)
    assert (report.problems, report.examples) == ((), {"train": 4, "val": 3})
    assert report.class_shares == {"n01440764": 25.0, "n01443537": 25.0, "n01484850": 50.0}


def test_every_fault_is_named(imagenet: Path, put) -> None:
    (imagenet / "val/n01440764/n01440764_val.JPEG").unlink()
    (imagenet / "val/n01443537/n01443537_val.JPEG").write_bytes(b"no image")
    put("val/ILSVRC2012_val_00000001.JPEG", 0, channels=3)
    put("val/n09999999/a.JPEG", 0, channels=3)
    problems = check_dataset("imagenet", imagenet).problems
    for part in (
        "val/n01440764: no images of this class",
        "val/n09999999: train has no such class",
        "ILSVRC2012_val_00000001.JPEG: 1 images lie in no folder of a class",
        "n01443537_val.JPEG: not an image that can be read",
    ):
        assert any(part in problem for problem in problems), problems
    assert len(problems) == 4
    with pytest.raises(InputError, match=r"no images of this class \(3 problems"):
        open_dataset("imagenet", imagenet)


def test_a_folder_without_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="train: 0 folders in it; each class is a folder of its images"):
        open_dataset("imagenet", tmp_path)
