"""Results of the verbs of the accuracy half; what `results.py` says of fields holds here too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from evit_nas.space.arch import Resolution, resolution_text
from evit_nas.workflows.result_parts import OMIT_NONE
from evit_nas.workflows.results import Result

if TYPE_CHECKING:
    from evit_nas.accuracy.evaluation.base import Scores


@dataclass(frozen=True, kw_only=True)
class DataCheckResult(Result):
    """`class_shares`: percent of the labelled pixels (or of the images) of train. `problems`: one line for each file
    that is wrong."""

    dataset: str
    valid: bool
    examples: Mapping[str, int]
    class_shares: Mapping[str, float]
    problems: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TrainResult(Result):
    """`miou` of the checkpoint on val, or `top1` and `top5` where images have one class each; keys left out otherwise.

    `per_class` has null for a class neither labelled nor predicted.
    """

    checkpoint: Path
    per_class: Mapping[str, float | None]
    dataset: str
    resolution: str
    epochs: int
    seed: int
    history: Path
    miou: float | None = field(default=None, metadata=OMIT_NONE)
    top1: float | None = field(default=None, metadata=OMIT_NONE)
    top5: float | None = field(default=None, metadata=OMIT_NONE)


@dataclass(frozen=True, kw_only=True)
class EvaluateResult(Result):
    """`miou`, or `top1` and `top5`, as in `TrainResult`.

    `confusion`: pixels of class row that were given class column, in the order of `per_class`, empty where images have
    one class each; `files`: its figure, where a folder was given.
    """

    per_class: Mapping[str, float | None]
    dataset: str
    split: str
    images: int
    resolution: str
    confusion: tuple[tuple[int, ...], ...]
    seconds: float
    files: tuple[Path, ...] = ()
    miou: float | None = field(default=None, metadata=OMIT_NONE)
    top1: float | None = field(default=None, metadata=OMIT_NONE)
    top5: float | None = field(default=None, metadata=OMIT_NONE)


def evaluate_result(
    scores: Scores, *, dataset: str, split: str, resolution: Resolution, seconds: float, files: tuple[Path, ...] = ()
) -> EvaluateResult:
    """What an evaluation found."""
    counts = scores.confusion.tolist() if scores.metric == "miou" else []  # a million numbers with ImageNet's classes
    return EvaluateResult(
        miou=scores.of("miou"),
        top1=scores.of("top1"),
        top5=scores.top5,
        per_class=scores.per_class,
        dataset=dataset,
        split=split,
        images=scores.images,
        resolution=resolution_text(resolution),
        confusion=tuple(tuple(row) for row in counts),
        seconds=seconds,
        files=files,
    )


@dataclass(frozen=True, kw_only=True)
class SupernetTrainResult(Result):
    """`largest_miou` and `smallest_miou`: of these members on val, each with statistics of its own."""

    checkpoint: Path
    largest_miou: float
    smallest_miou: float
    space: str
    dataset: str
    resolution: str
    epochs: int
    seed: int
    history: Path


@dataclass(frozen=True, kw_only=True)
class SupernetExtractResult(Result):
    """`checkpoint` is a network of its own; `resolution` and `dataset` are those of its BatchNorm statistics."""

    checkpoint: Path
    resolution: str
    dataset: str


@dataclass(frozen=True, kw_only=True)
class SupernetScoreResult(Result):
    """`table`: a CSV of members with their mIoU; `scored` of its `members` are new."""

    table: Path
    scored: int
    members: int
