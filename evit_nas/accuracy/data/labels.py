"""Class names, and how the ids in label files become class ids.

A table has 256 entries, one for each value of a label file: a class id, IGNORE, or INVALID for an id that the data set
does not have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evit_nas.accuracy.data.dataset import IGNORE, Split

INVALID = 254
MAX_CLASSES = 254

Bytes = NDArray[np.uint8]

# Cityscapes (Cordts et al. 2016): id in labelIds files of each of the 19 classes that count, in the order of train ids
_CITYSCAPES_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
_CITYSCAPES_LAST = 33

CITYSCAPES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation", "terrain",
    "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)  # fmt: skip
CAMVID = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign/symbol", "fence", "car", "pedestrian", "bicyclist",
)  # fmt: skip
IDD_LITE = (
    "drivable", "non-drivable", "living things", "vehicles", "road-side objects", "far objects", "sky",
)  # fmt: skip
ADE20K_CLASSES = 150


def table(mapping: Mapping[int, int]) -> Bytes:
    """The table of `mapping` (id in the file -> class id or IGNORE); 255 is ignored unless mapped."""
    entries = np.full(256, INVALID, np.uint8)
    entries[IGNORE] = IGNORE
    for given, wanted in mapping.items():
        entries[given] = wanted
    return entries


def plain_table(classes: int) -> Bytes:
    """Ids 0 .. classes - 1 as they are, 255 ignored."""
    return table({i: i for i in range(classes)})


def cityscapes_table() -> Bytes:
    """labelIds to train ids; ids that do not count are ignored."""
    ignored = dict.fromkeys(range(_CITYSCAPES_LAST + 1), IGNORE)
    return table(ignored | {given: train for train, given in enumerate(_CITYSCAPES_IDS)})


def ade20k_table() -> Bytes:
    """Label minus 1; 0 (other) is ignored, as upstream does."""
    entries = table({0: IGNORE} | {i + 1: i for i in range(ADE20K_CLASSES)})
    entries[255] = INVALID
    return entries


def camvid_table() -> Bytes:
    """Ids 0 .. 10; 11 is the unlabelled class of the SegNet copy."""
    return table({i: i for i in range(len(CAMVID))} | {len(CAMVID): IGNORE})


def invalid_ids(raw: Bytes, entries: Bytes) -> list[int]:
    """Ids in a label file that its data set does not have, ascending."""
    present = np.flatnonzero(np.bincount(raw.reshape(-1), minlength=256))
    return [int(i) for i in present if entries[i] == INVALID]


def valid_ids(entries: Bytes) -> str:
    """The ids of a table in words, `0..6, 255`."""
    valid = np.flatnonzero(entries != INVALID)
    runs = np.split(valid, np.flatnonzero(np.diff(valid) > 1) + 1)
    return ", ".join(f"{run[0]}..{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def counts(label: Any, classes: int) -> NDArray[np.int64]:
    """Pixels of each class in a label of class ids, shape (classes,); ignored ones are left out. A label of the whole
    image counts as one."""
    return np.bincount(np.asarray(label).reshape(-1), minlength=max(256, classes))[:classes]


def split_counts(split: Split, classes: int) -> NDArray[np.int64]:
    """Pixels (or images) of each class over a split, shape (classes,). Raises InputError for a label that is wrong."""
    found = np.zeros(classes, np.int64)
    for index in range(len(split)):
        found += counts(split.label(index), classes)
    return found


def shares(pixels: Sequence[int]) -> list[float]:
    """Percent of all labelled pixels by class."""
    total = sum(pixels)
    return [100.0 * count / total if total else 0.0 for count in pixels]
