"""Images in one folder for each class, as ImageNet is usually unpacked: train/CLASS/*.JPEG, val/CLASS/*.JPEG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from evit_nas.accuracy.data.dataset import Example
from evit_nas.accuracy.data.files import read_image
from evit_nas.accuracy.data.layouts import IMAGE_SUFFIXES
from evit_nas.errors import InputError

SPLITS = ("train", "val")


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageSplit:
    """A split that reads its files anew each time. `files`: image and number of its class."""

    files: Sequence[tuple[Path, int]]

    def __len__(self) -> int:
        return len(self.files)

    def name(self, index: int) -> str:
        return str(self.files[index][0])

    def label(self, index: int) -> torch.Tensor:
        return torch.tensor(self.files[index][1])

    def read(self, index: int) -> Example:
        path, _ = self.files[index]
        return Example(name=str(path), image=read_image(path), label=self.label(index))


def class_folders(root: Path) -> tuple[tuple[str, ...], dict[str, ImageSplit], tuple[str, ...]]:
    """Classes (the folders of train in the order of their names, as torchvision numbers them), splits, and what is
    wrong, one line a folder. Raises InputError where there are no classes."""
    classes = _folders(root / "train")
    if len(classes) < 2:
        raise InputError(f"{root / 'train'}: {len(classes)} folders in it; each class is a folder of its images")
    splits, problems = {}, []
    for split in SPLITS:
        splits[split], wrong = _split(root / split, classes)
        problems += wrong
    return tuple(classes), splits, tuple(problems)


def _split(folder: Path, classes: Sequence[str]) -> tuple[ImageSplit, list[str]]:
    files, problems = [], []
    for number, name in enumerate(classes):
        own = _images(folder / name)
        files += [(path, number) for path in own]
        if not own:
            problems.append(f"{folder / name}: no images of this class")
    known = set(classes)
    problems += [f"{folder / name}: train has no such class" for name in _folders(folder) if name not in known]
    if loose := _images(folder):
        problems.append(f"{loose[0]}: {len(loose)} images lie in no folder of a class; sort them into theirs")
    return ImageSplit(files=tuple(files)), problems


def _folders(folder: Path) -> list[str]:
    return sorted(path.name for path in _entries(folder) if path.is_dir() and not path.name.startswith("."))


def _images(folder: Path) -> list[Path]:
    named = (path for path in _entries(folder) if path.suffix.lower() in IMAGE_SUFFIXES)
    return sorted(path for path in named if not path.name.startswith("."))


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []
