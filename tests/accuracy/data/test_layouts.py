"""Each reader on a miniature folder of the real layout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from evit_nas.accuracy.data.catalogue import open_dataset
from evit_nas.errors import InputError

ROOT = Path(__file__).resolve().parents[3]


def test_cityscapes_label_ids_become_train_ids(put, tmp_path: Path) -> None:
    for split, city in (("train", "aachen"), ("val", "ulm")):
        name = f"{city}/{city}_000000_000019"
        put(f"leftImg8bit/{split}/{name}_leftImg8bit.png", 9, channels=3)
        put(f"gtFine/{split}/{name}_gtFine_labelIds.png", [[0, 7, 8, 11, 26, 33, 29, 255]] * 6)
        put(f"gtFine/{split}/{name}_gtFine_color.png", 3, channels=3)
    dataset = open_dataset("cityscapes", tmp_path)
    assert len(dataset.classes) == 19
    assert dataset.split("val").read(0).label[0].tolist() == [255, 0, 1, 2, 13, 18, 255, 255]
    with pytest.raises(InputError, match="no split 'test' with labels"):
        dataset.split("test")


def test_ade20k_takes_one_off_and_keeps_the_ratio(put, tmp_path: Path) -> None:
    for folder, prefix in (("training", "train"), ("validation", "val")):
        put(f"ADEChallengeData2016/images/{folder}/ADE_{prefix}_1.jpg", 9, channels=3)
        put(f"ADEChallengeData2016/annotations/{folder}/ADE_{prefix}_1.png", [[0, 1, 2, 150, 150, 0, 1, 2]] * 6)
    dataset = open_dataset("ade20k", tmp_path)
    assert dataset.split("train").read(0).label[0].tolist() == [255, 0, 1, 149, 149, 255, 0, 1]
    assert dataset.input_size((600, 800), (512, 512)) == (512, 704)  # 682.7 up to a multiple of 32
    assert dataset.input_size((683, 512), (512, 512)) == (704, 512)


def test_ade20k_refuses_ids_beyond_150(put, tmp_path: Path) -> None:
    for folder in ("training", "validation"):
        put(f"images/{folder}/a.jpg", 9, channels=3)
        put(f"annotations/{folder}/a.png", 255)
    with pytest.raises(InputError, match="out of range: 255"):
        open_dataset("ade20k", tmp_path).split("train").read(0)


@pytest.mark.parametrize("usual", [True, False])
def test_camvid_in_both_layouts(put, tmp_path: Path, usual: bool) -> None:
    for split in ("train", "val", "test"):
        image, label = (split, f"{split}annot") if usual else (f"{split}/images", f"{split}/labels")
        put(f"{image}/0001TP_1.png", 9, channels=3)
        put(f"{label}/0001TP_1.png", [[0, 10, 11, 255, 1, 2, 3, 4]] * 6)
    dataset = open_dataset("camvid", tmp_path)
    assert dataset.split("test").read(0).label[0].tolist() == [0, 10, 255, 255, 1, 2, 3, 4]


@pytest.mark.parametrize("base", ["", "idd20k_lite/"])
def test_idd_lite_in_its_usual_layout(put, tmp_path: Path, base: str) -> None:
    for split in ("train", "val"):
        put(f"{base}leftImg8bit/{split}/12/0005_image.jpg", 9, channels=3)
        put(f"{base}gtFine/{split}/12/0005_label.png", 6)
        put(f"{base}gtFine/{split}/12/0005_inst_label.png", 250)
    example = open_dataset("idd-lite", tmp_path).split("val").read(0)
    assert example.label.unique().tolist() == [6]


def test_own_folders(put, tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("ground\nsky\n")
    for split in ("train", "val"):
        put(f"images/{split}/a.jpg", 9, channels=3)
        put(f"masks/{split}/a.png", 1)
    dataset = open_dataset("folders", tmp_path)
    assert dataset.classes == ("ground", "sky")
    assert sorted(dataset.splits) == ["train", "val"]
    put("images/test/b.png", 9, channels=3)
    put("masks/test/b.png", 0)
    assert len(open_dataset("folders", tmp_path).split("test")) == 1


def test_two_images_of_one_name_are_refused(put, tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("ground\nsky\n")
    put("images/train/a.jpg", 9, channels=3)
    put("images/train/a.png", 9, channels=3)
    with pytest.raises(InputError, match="two files of one name"):
        open_dataset("folders", tmp_path)


@pytest.mark.parametrize(
    ("name", "root", "message"),
    [
        ("cityscape", ".", "did you mean 'cityscapes'"),
        ("camvid", None, "needs --root"),
        ("camvid", "absent", "no such folder"),
        ("folders", ".", "classes.txt: cannot be read"),
    ],
)
def test_what_cannot_be_opened(tmp_path: Path, name: str, root: str | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_dataset(name, None if root is None else tmp_path / root)


@pytest.mark.parametrize(("name", "folder", "sizes"), [
    ("idd-lite", "idd_lite", {"train": 1403, "val": 204}),
    ("camvid", "camvid240", {"train": 367, "val": 101, "test": 233}),
])  # fmt: skip
def test_real_copies(name: str, folder: str, sizes: dict[str, int]) -> None:
    root = Path(os.environ.get("EVIT_NAS_SHARED", ROOT.parent / "shared")) / "data" / folder
    if not root.is_dir():
        pytest.skip(f"{root} is not here")
    dataset = open_dataset(name, root)
    assert {split: len(examples) for split, examples in dataset.splits.items()} == sizes
    example = dataset.split("val").read(3)
    assert example.image.shape[1:] == example.label.shape
