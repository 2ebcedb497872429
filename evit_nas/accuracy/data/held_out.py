"""A data set for ranking: whole drives of its training images are held out to judge by, its own val comes last.

Architectures are compared on drives that no network was trained on, and nothing is chosen by looking at val.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from evit_nas.accuracy.data.layouts import Listing
from evit_nas.errors import InputError

ENDING = "-held-out"
SHARE = 0.15  # of the training images, at least


def held_out(listings: Mapping[str, Listing]) -> dict[str, Listing]:
    """`train` without the drives that become `val`; the former val becomes `test`.

    The drives are the first in the order of a hash of their names until they hold SHARE of the images: the same ones
    on every machine.
    """
    train = listings["train"]
    drives: dict[str, int] = {}
    for pair in train.pairs:
        drives[drive(pair.image)] = drives.get(drive(pair.image), 0) + 1
    chosen: set[str] = set()
    count = 0
    for name in sorted(drives, key=_digest):
        if count >= SHARE * len(train.pairs):
            break
        chosen.add(name)
        count += drives[name]
    return {
        "train": Listing(
            pairs=tuple(pair for pair in train.pairs if drive(pair.image) not in chosen), problems=train.problems
        ),
        "val": Listing(pairs=tuple(pair for pair in train.pairs if drive(pair.image) in chosen)),
        "test": listings["val"],
    }


def drive(image: Path) -> str:
    """Which drive an image is of: its folder (DRIVE/FRAME_image.jpg), or the name up to the last underscore."""
    return image.stem.rpartition("_")[0] if image.parent.name == "images" else image.parent.name


def check_unseen(trained_on: str, dataset: str, split: str) -> None:
    """Raise InputError where a network that was trained on the whole set would be judged by the drives kept apart."""
    if split == "val" and dataset == trained_on + ENDING:
        raise InputError(
            f"data set {dataset}: its val was among the training images ({trained_on}); train on {dataset}, "
            "or take --split test"
        )


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
