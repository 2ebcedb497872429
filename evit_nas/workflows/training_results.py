"""Results of the verbs of the accuracy half; what `results.py` says of fields holds here too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evit_nas.workflows.results import Result


@dataclass(frozen=True, kw_only=True)
class DataCheckResult(Result):
    """`class_shares`: percent of the labelled pixels of train. `problems`: one line for each file that is wrong."""

    dataset: str
    valid: bool
    examples: Mapping[str, int]
    class_shares: Mapping[str, float]
    problems: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TrainResult(Result):
    """`miou` of the checkpoint on val; `per_class` has null for a class neither labelled nor predicted."""

    checkpoint: Path
    miou: float
    per_class: Mapping[str, float | None]
    dataset: str
    resolution: str
    epochs: int
    seed: int
    history: Path


@dataclass(frozen=True, kw_only=True)
class EvaluateResult(Result):
    """`confusion`: pixels of class row that were given class column, in the order of `per_class`; `files`: its figure,
    where a folder for it was given."""

    miou: float
    per_class: Mapping[str, float | None]
    dataset: str
    split: str
    images: int
    resolution: str
    confusion: tuple[tuple[int, ...], ...]
    seconds: float
    files: tuple[Path, ...] = ()


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
