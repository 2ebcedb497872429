"""Where the files of each data set lie, and which of them belong together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from evit_nas.accuracy.data.files import Pair
from evit_nas.errors import InputError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The pairs of one split in order of their names, and what is wrong with the rest, one line a file."""

    pairs: tuple[Pair, ...]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Folders:
    """One split on disk: a folder of images and one of labels; a file's key is what image and label share."""

    images: Path
    labels: Path
    image_end: tuple[str, ...] = IMAGE_SUFFIXES
    label_end: tuple[str, ...] = (".png",)
    label_skip: tuple[str, ...] = ()  # endings of other files that lie among the labels


def list_split(folders: Folders) -> Listing:
    """All pairs below both folders, by relative path without the endings."""
    images = _keys(folders.images, folders.image_end)
    labels = _keys(folders.labels, folders.label_end, folders.label_skip)
    problems = [f"{path}: no label for it under {folders.labels}" for key, path in images.items() if key not in labels]
    problems += [f"{path}: no image for it under {folders.images}" for key, path in labels.items() if key not in images]
    if not images and not labels:
        problems.append(f"{folders.images}: no images in it")
    pairs = tuple(Pair(image=images[key], label=labels[key]) for key in sorted(images) if key in labels)
    return Listing(pairs=pairs, problems=tuple(problems))


def _keys(folder: Path, endings: tuple[str, ...], skip: tuple[str, ...] = ()) -> dict[str, Path]:
    """Files by what is left of their path. Two files with one key (a.jpg and a.png) are an error."""
    found: dict[str, Path] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        relative = path.relative_to(folder).as_posix()
        ending = next((end for end in endings if relative.lower().endswith(end.lower())), None)
        if ending is None or path.name.startswith(".") or path.name.endswith(skip):
            continue
        key = relative[: -len(ending)]
        if key in found:
            raise InputError(f"{path} and {found[key]}: two files of one name; remove one")
        found[key] = path
    return found


Layout = Callable[[Path], Mapping[str, Folders]]


def cityscapes(root: Path) -> Mapping[str, Folders]:
    """leftImg8bit/SPLIT/CITY/X_leftImg8bit.png and gtFine/SPLIT/CITY/X_gtFine_labelIds.png. Test has no labels."""
    return {
        split: Folders(
            images=root / "leftImg8bit" / split,
            labels=root / "gtFine" / split,
            image_end=("_leftImg8bit.png",),
            label_end=("_gtFine_labelIds.png",),
        )
        for split in ("train", "val")
    }


def ade20k(root: Path) -> Mapping[str, Folders]:
    """images/{training,validation} and annotations/{training,validation} (SceneParsing), root or one level down."""
    inner = root / "ADEChallengeData2016"
    base = inner if inner.is_dir() else root
    return {
        split: Folders(images=base / "images" / folder, labels=base / "annotations" / folder)
        for split, folder in (("train", "training"), ("val", "validation"))
    }


def camvid(root: Path) -> Mapping[str, Folders]:
    """SPLIT/ and SPLITannot/ (SegNet's copy), or SPLIT/images and SPLIT/labels."""
    splits = ("train", "val", "test")
    if (root / "trainannot").is_dir():
        return {split: Folders(images=root / split, labels=root / f"{split}annot") for split in splits}
    return _plain(root, splits)


def idd_lite(root: Path) -> Mapping[str, Folders]:
    """leftImg8bit/SPLIT/DRIVE/X_image.jpg and gtFine/SPLIT/DRIVE/X_label.png, or SPLIT/images and SPLIT/labels."""
    splits = ("train", "val")
    for base in (root, root / "idd20k_lite"):
        if (base / "leftImg8bit").is_dir():
            return {
                split: Folders(
                    images=base / "leftImg8bit" / split,
                    labels=base / "gtFine" / split,
                    image_end=tuple(f"_image{suffix}" for suffix in IMAGE_SUFFIXES),
                    label_end=("_label.png",),
                    label_skip=("_inst_label.png",),
                )
                for split in splits
            }
    return _plain(root, splits)


def own_folders(root: Path) -> Mapping[str, Folders]:
    """images/SPLIT and masks/SPLIT for train, val and, where there is one, test."""
    splits = ["train", "val"] + (["test"] if (root / "masks" / "test").is_dir() else [])
    return {split: Folders(images=root / "images" / split, labels=root / "masks" / split) for split in splits}


def _plain(root: Path, splits: Iterable[str]) -> Mapping[str, Folders]:
    return {split: Folders(images=root / split / "images", labels=root / split / "labels") for split in splits}
