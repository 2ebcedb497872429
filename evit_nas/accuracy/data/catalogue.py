"""The data sets by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evit_nas.accuracy.data import labels, layouts
from evit_nas.accuracy.data.dataset import Dataset, Split
from evit_nas.accuracy.data.files import FileSplit
from evit_nas.accuracy.data.held_out import ENDING, held_out
from evit_nas.accuracy.data.layouts import Layout, Listing, list_split
from evit_nas.accuracy.data.scenes import scenes
from evit_nas.errors import InputError, nearest

DATASETS = ("cityscapes", "ade20k", "camvid", "idd-lite", f"idd-lite{ENDING}", "folders", "scenes")


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set of files before its images are read: what there is and what is missing."""

    name: str
    classes: tuple[str, ...]
    entries: labels.Bytes
    listings: Mapping[str, Listing]

    @property
    def problems(self) -> tuple[str, ...]:
        return tuple(problem for listing in self.listings.values() for problem in listing.problems)

    def dataset(self) -> Dataset:
        """The data set of the pairs, whatever else is wrong."""
        splits: dict[str, Split] = {
            split: FileSplit(pairs=listing.pairs, entries=self.entries) for split, listing in self.listings.items()
        }
        return Dataset(name=self.name, classes=self.classes, splits=splits, short_side=self.name == "ade20k")


def open_dataset(name: str, root: str | Path | None, *, seed: int = 0) -> Dataset:
    """The data set `name` under `root` (`scenes` are drawn by `seed` and take no root).

    Raises InputError, with the first of the problems, where files are missing: see `check_dataset` for all of them.
    """
    if name == "scenes":
        return scenes(seed)
    source = find_dataset(name, root)
    if source.problems:
        more = f" ({len(source.problems)} problems; `evit-nas data check` lists them)" if source.problems[1:] else ""
        raise InputError(f"data set {name}: {source.problems[0]}{more}")
    return source.dataset()


def find_dataset(name: str, root: str | Path | None) -> Source:
    """The files of `name` under `root`. Raises InputError where the name or the folder is wrong."""
    if name not in DATASETS or name == "scenes":
        raise InputError(f"data set {name!r}: {nearest(name, DATASETS)}")
    if root is None:
        raise InputError(f"data set {name}: needs --root DIR, the folder that it lies in")
    folder = Path(root)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the one that the data set {name} lies in")
    classes, entries, layout = _facts(name.removesuffix(ENDING), folder)
    listings = {split: list_split(where) for split, where in layout(folder).items()}
    if name.endswith(ENDING):
        listings = held_out(listings)
    return Source(name=name, classes=classes, entries=entries, listings=listings)


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
