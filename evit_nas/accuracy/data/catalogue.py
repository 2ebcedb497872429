"""The data sets by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evit_nas.accuracy.data import labels, layouts
from evit_nas.accuracy.data.class_folders import class_folders
from evit_nas.accuracy.data.dataset import Dataset
from evit_nas.accuracy.data.files import FileSplit
from evit_nas.accuracy.data.held_out import ENDING, held_out
from evit_nas.accuracy.data.layouts import Layout, list_split
from evit_nas.accuracy.data.scenes import scenes
from evit_nas.errors import InputError, nearest

DATASETS = ("cityscapes", "ade20k", "camvid", "idd-lite", f"idd-lite{ENDING}", "folders", "imagenet", "scenes")


@dataclass(frozen=True, kw_only=True)
class Found:
    """A data set of files before its images are read: what there is, and what is missing, one line a file."""

    dataset: Dataset
    problems: tuple[str, ...]


def open_dataset(name: str, root: str | Path | None, *, seed: int = 0) -> Dataset:
    """The data set `name` under `root` (`scenes` are drawn by `seed` and take no root).

    Raises InputError, with the first of the problems, where files are missing: see `check_dataset` for all of them.
    """
    if name == "scenes":
        return scenes(seed)
    found = find_dataset(name, root)
    if found.problems:
        more = f" ({len(found.problems)} problems; `evit-nas data check` lists them)" if found.problems[1:] else ""
        raise InputError(f"data set {name}: {found.problems[0]}{more}")
    return found.dataset


def find_dataset(name: str, root: str | Path | None) -> Found:
    """The files of `name` under `root`. Raises InputError where the name or the folder is wrong."""
    if name not in DATASETS or name == "scenes":
        raise InputError(f"data set {name!r}: {nearest(name, DATASETS)}")
    if root is None:
        raise InputError(f"data set {name}: needs --root DIR, the folder that it lies in")
    folder = Path(root)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the one that the data set {name} lies in")
    return _of_classes(name, folder) if name == "imagenet" else _of_pixels(name, folder)


def _of_classes(name: str, root: Path) -> Found:
    classes, splits, problems = class_folders(root)
    return Found(dataset=Dataset(name=name, classes=classes, splits=splits, task="cls"), problems=problems)


def _of_pixels(name: str, root: Path) -> Found:
    classes, entries, layout = _facts(name.removesuffix(ENDING), root)
    listings = {split: list_split(where) for split, where in layout(root).items()}
    if name.endswith(ENDING):
        listings = held_out(listings)
    splits = {split: FileSplit(pairs=listing.pairs, entries=entries) for split, listing in listings.items()}
    return Found(
        dataset=Dataset(name=name, classes=classes, splits=splits, short_side=name == "ade20k"),
        problems=tuple(problem for listing in listings.values() for problem in listing.problems),
    )


def _facts(name: str, root: Path) -> tuple[tuple[str, ...], labels.Bytes, Layout]:
    match name:
        case "cityscapes":
            return labels.CITYSCAPES, labels.cityscapes_table(), layouts.cityscapes
        case "ade20k":
            return _ade20k_names(root), labels.ade20k_table(), layouts.ade20k
        case "camvid":
            return labels.CAMVID, labels.camvid_table(), layouts.camvid
        case "idd-lite":
            return labels.IDD_LITE, labels.plain_table(len(labels.IDD_LITE)), layouts.idd_lite
    classes = _own_names(root / "classes.txt")
    return classes, labels.plain_table(len(classes)), layouts.own_folders


def _own_names(path: Path) -> tuple[str, ...]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{path}: cannot be read; write one class name a line, in the order of the ids") from None
    names = tuple(line.strip() for line in lines if line.strip())
    if not 2 <= len(names) <= labels.MAX_CLASSES or len(set(names)) != len(names):
        raise InputError(f"{path}: {len(names)} names; valid: 2 to {labels.MAX_CLASSES} different ones")
    return names


def _ade20k_names(root: Path) -> tuple[str, ...]:
    """The last column of objectInfo150.txt where the data set has its own list, else numbers."""
    for path in (root / "objectInfo150.txt", root / "ADEChallengeData2016" / "objectInfo150.txt"):
        if path.is_file():
            rows = path.read_text(encoding="utf-8", errors="replace").splitlines()[1:]
            names = tuple(row.split("\t")[-1].strip() for row in rows if row.strip())
            if len(names) == labels.ADE20K_CLASSES:
                return names
    return tuple(f"class {number}" for number in range(1, labels.ADE20K_CLASSES + 1))
