"""From the name of an accuracy source (`--accuracy SOURCE`) to its estimator."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from evit_nas.accuracy.estimator.base import AccuracyEstimator
from evit_nas.accuracy.estimator.measured import MeasuredEstimator
from evit_nas.accuracy.estimator.published import PUBLISHED_SOURCES, PublishedEstimator
from evit_nas.errors import InputError, nearest

Task = Literal["seg", "cls"]
METRIC_OF_TASK = {"seg": "miou", "cls": "top1"}


def default_source(task: Task) -> str:
    """The source of a space that names none."""
    return "published" if task == "seg" else "published-cls"


def open_source(name_or_path: str | Path, task: Task) -> AccuracyEstimator:
    """The estimator of a source for networks of `task`: a published source by name, or a CSV of measured members.

    Raises InputError for a name that does not exist, a file that is no CSV, or a source of the other task.
    """
    estimator = _open(str(name_or_path))
    if estimator.metric != METRIC_OF_TASK[task]:
        raise InputError(
            f"accuracy source {str(name_or_path)!r} gives {estimator.metric}, the space is for {task}; "
            f"its default is {default_source(task)}"
        )
    return estimator


def _open(text: str) -> AccuracyEstimator:
    for source in PUBLISHED_SOURCES:
        if text == source:
            return PublishedEstimator(source)
    if text.endswith(".csv"):
        return MeasuredEstimator.from_csv(Path(text))
    if Path(text).exists():
        raise InputError(f"accuracy source {text}: not a .csv of measured members; or one of {_names()}")
    raise InputError(f"unknown accuracy source {text!r}: {nearest(text, PUBLISHED_SOURCES)} (or a .csv file)")


def _names() -> str:
    return ", ".join(PUBLISHED_SOURCES)
