"""From the name of an accuracy source (`--accuracy SOURCE`) to its estimator."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from evit_nas.accuracy.estimator.base import AccuracyEstimator
from evit_nas.accuracy.estimator.combined import CombinedEstimator
from evit_nas.accuracy.estimator.measured import MeasuredEstimator
from evit_nas.accuracy.estimator.members import read_members
from evit_nas.accuracy.estimator.published import PUBLISHED_SOURCES, PublishedEstimator
from evit_nas.accuracy.metric import METRICS, Task
from evit_nas.errors import InputError, nearest

MEASURED_SOURCES = ("idd-lite", "camvid")
COMBINED = "published+measured"
NAMES = (*PUBLISHED_SOURCES, COMBINED, *MEASURED_SOURCES)
SUPERNET_SUFFIX = ".safetensors"


def default_source(task: Task) -> str:
    """The source of a space that names none."""
    return "published" if task == "seg" else "published-cls"


def open_source(name_or_path: str | Path, task: Task) -> AccuracyEstimator:
    """The estimator of a source for networks of `task`.

    A name; a CSV of measured members; or a supernet's checkpoint, whose scored members lie in a CSV beside it. Raises
    InputError for a name that does not exist, a file that is none of these, or a source of the other task.
    """
    estimator = _open(str(name_or_path))
    if estimator.metric != METRICS[task]:
        raise InputError(
            f"accuracy source {str(name_or_path)!r} gives {estimator.metric}, the space is for {task}; "
            f"its default is {default_source(task)}"
        )
    return estimator


def _open(text: str) -> AccuracyEstimator:
    for source in PUBLISHED_SOURCES:
        if text == source:
            return PublishedEstimator(source)
    if text in MEASURED_SOURCES:
        return MeasuredEstimator(read_members(shipped_members(text)), name=text)
    if text == COMBINED:
        return CombinedEstimator(read_members(shipped_members(MEASURED_SOURCES[0])), name=MEASURED_SOURCES[0])
    path = Path(text)
    if path.suffix == ".csv":
        return MeasuredEstimator.from_csv(path)
    if path.suffix == SUPERNET_SUFFIX and path.is_file():
        return _supernet(path)
    if path.exists():
        raise InputError(f"accuracy source {text}: neither a .csv nor a supernet's checkpoint; or one of {_names()}")
    raise InputError(f"unknown accuracy source {text!r}: {nearest(text, NAMES)} (or a .csv file, or a supernet)")


def _supernet(checkpoint: Path) -> AccuracyEstimator:
    table = scores_beside(checkpoint)
    if not table.is_file():
        raise InputError(
            f"{checkpoint}: none of its members is scored yet; run "
            f"`evit-nas supernet score {checkpoint} --dataset NAME --root DIR`"
        )
    return MeasuredEstimator(read_members(table), name=checkpoint.name)


def scores_beside(checkpoint: Path) -> Path:
    """Where the scores of a supernet's members are kept."""
    return checkpoint.with_name(f"{checkpoint.stem}-members.csv")


def shipped_members(name: str) -> Path:
    """The measured networks that ship: inside of an installed package, else in the checkout around it.

    Raises InputError where none do.
    """
    package = Path(str(resources.files("evit_nas")))
    packaged = package / "_data" / "measured"
    path = (packaged if packaged.is_dir() else package.parent / "reports" / "measured") / f"{name}.csv"
    if not path.is_file():
        raise InputError(f"accuracy source {name!r}: no measured networks ship yet; use one of {_names()}, or a .csv")
    return path


def _names() -> str:
    return ", ".join(NAMES)
