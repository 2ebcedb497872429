"""A plan of trainings: a CSV file with one network, recipe and seed a line, in the order of their worth."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from evit_nas.errors import InputError
from evit_nas.files import write_text
from evit_nas.space.arch import NAMED_ARCHS, Resolution, parse_resolution, resolution_text
from evit_nas.space.dimension import MAX_SEED
from evit_nas.space.document import read_text


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedTraining:
    """One line. `job` names it and its folder, `tag` says what it serves; `arch` and `recipe` are a name that ships,
    or a file given relative to the plan."""

    job: str
    tag: str
    dataset: str
    arch: str
    recipe: str
    resolution: Resolution
    epochs: int
    seed: int


COLUMNS = tuple(field.name for field in fields(PlannedTraining))


def read_plan(path: Path) -> list[PlannedTraining]:
    """The trainings of the CSV file at `path`. Raises InputError, with file and line, for anything else."""
    reader = csv.DictReader(io.StringIO(read_text(path)), strict=True)
    try:
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise InputError(f"{path}:1: a plan of trainings has the columns {','.join(COLUMNS)}")
        trainings = [_training(row, path.parent, f"{path}:{reader.line_num}") for row in reader]
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: not CSV ({error})") from None
    twice = [job for job, count in Counter(training.job for training in trainings).items() if count > 1]
    if twice:
        raise InputError(f"{path}: job {twice[0]!r} stands there twice; each needs a name of its own")
    return trainings


def write_plan(path: Path, trainings: Iterable[PlannedTraining]) -> None:
    """Write what `read_plan` reads."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for training in trainings:
        shown = (resolution_text(value) if isinstance(value, tuple) else value for value in astuple(training))
        writer.writerow(shown)
    write_text(path, text.getvalue())


def _training(row: dict[str, str | None], folder: Path, where: str) -> PlannedTraining:
    text = {name: (row.get(name) or "").strip() for name in COLUMNS}
    for name in ("job", "dataset", "arch", "recipe"):
        if not text[name]:
            raise InputError(f"{where}: {name} is empty")
    if Path(text["job"]).name != text["job"] or text["job"].startswith("."):
        raise InputError(f"{where}: job {text['job']!r}; needs a name that can be that of a folder")
    if text["arch"] not in NAMED_ARCHS and not (folder / text["arch"]).is_file():
        raise InputError(f"{where}: arch {text['arch']!r} is neither a name of the family nor a file beside the plan")
    try:
        resolution = parse_resolution(text["resolution"])
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return PlannedTraining(
        job=text["job"],
        tag=text["tag"],
        dataset=text["dataset"],
        arch=text["arch"],
        recipe=text["recipe"],
        resolution=resolution,
        epochs=_integer(text["epochs"], 1, 10_000, f"{where}: epochs"),
        seed=_integer(text["seed"], 0, MAX_SEED, f"{where}: seed"),
    )


def _integer(text: str, low: int, high: int, what: str) -> int:
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise InputError(f"{what} {text!r}; needs an integer from {low} to {high}")
    return int(text)
