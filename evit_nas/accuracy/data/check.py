"""What is wrong with a data set, by file, before an hour of training is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evit_nas.accuracy.data.catalogue import find_dataset
from evit_nas.accuracy.data.dataset import Dataset, Split
from evit_nas.accuracy.data.labels import counts, shares, split_counts
from evit_nas.accuracy.data.scenes import scenes
from evit_nas.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Report:
    """`examples` by split, `class_shares` (percent of the labelled pixels of train, or of its images where these have
    one class each), and every problem in one line."""

    dataset: str
    examples: Mapping[str, int]
    class_shares: Mapping[str, float]
    problems: tuple[str, ...]


def check_dataset(
    name: str,
    root: str | Path | None,
    *,
    start: Callable[[int], None] = lambda total: None,
    advance: Callable[[], None] = lambda: None,
) -> Report:
    """Read every file once. `start` is told how many examples there are, `advance` is called after each."""
    if name == "scenes":
        dataset, problems = scenes(), []
    else:
        source = find_dataset(name, root)
        dataset, problems = source.dataset, list(source.problems)
    start(sum(len(examples) for examples in dataset.splits.values()))
    pixels = np.zeros(len(dataset.classes), np.int64)
    for split in dataset.splits:
        found, seen = _check_split(dataset, split, advance)
        problems += found
        pixels += seen if split == "train" else 0
    return Report(
        dataset=name,
        examples={split: len(examples) for split, examples in dataset.splits.items()},
        class_shares=dict(zip(dataset.classes, shares(pixels.tolist()), strict=True)),
        problems=tuple(problems),
    )


def check_labels(examples: Split, split: str, classes: int) -> None:
    """Read every label of a split, so that a training of hours does not end on one.

    Raises InputError for the first that is wrong, and where no pixel of the split has a label.
    """
    if not split_counts(examples, classes).any():
        raise InputError(f"no pixel of {split} has a label; `evit-nas data check` names the files")


def _check_split(dataset: Dataset, split: str, advance: Callable[[], None]) -> tuple[list[str], NDArray[np.int64]]:
    """The problems of one split and its pixels by class."""
    examples, problems = dataset.split(split), []
    pixels = np.zeros(len(dataset.classes), np.int64)
    for index in range(len(examples)):
        try:
            seen = counts(examples.read(index).label, len(dataset.classes))
        except InputError as error:
            problems.append(str(error))
        else:
            pixels += seen
            if not seen.any():
                problems.append(f"{examples.name(index)}: every pixel of its label is ignored")
        advance()
    return problems, pixels
