"""The table that a queue of trainings fills: one line for each network that was trained and evaluated.

`--accuracy FILE.csv` reads it (accuracy/estimator/members.py): `arch`, `resolution`, `miou` and `seed` are its columns.
`held_out_miou` is the score to rank by where the data set keeps training drives apart (accuracy/data/held_out.py), else
that of val; `curve` has it after earlier epochs, `3:31.20 6:40.05`. `hours` are those of the clock, waiting included.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from evit_nas.errors import InputError
from evit_nas.files import folder, write_text
from evit_nas.space.document import read_text

FIXED = (
    "job", "tag", "arch", "resolution", "seed", "epochs", "recipe", "miou", "held_out_miou", "curve", "params", "macs",
    "hours", "arch_hash", "version", "machine",
)  # fmt: skip
IOU = "iou "  # before the name of a class


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredRow:
    """`values` by the names of FIXED; IoU by class in percent, None for a class neither labelled nor predicted."""

    values: Mapping[str, str]
    per_class: Mapping[str, float | None]

    def cells(self) -> dict[str, str]:
        """All columns as text."""
        scores = {IOU + name: "" if value is None else f"{value:.3f}" for name, value in self.per_class.items()}
        return {**{name: self.values[name] for name in FIXED}, **scores}


def finished_jobs(table: Path) -> frozenset[str]:
    """Names of the jobs that have a line; none where there is no table yet. Raises InputError for another file."""
    return frozenset(row["job"] for row in _read(table)) if table.is_file() else frozenset()


def add_row(table: Path, row: MeasuredRow) -> None:
    """Add a line, whole or not at all; several processes may share a table. Nothing happens where its job has one.

    Raises InputError where the table has other columns.
    """
    cells = row.cells()
    folder(table.parent)
    with FileLock(table.with_suffix(".lock")):
        rows = _read(table) if table.is_file() else []
        if any(known["job"] == cells["job"] for known in rows):
            return
        if rows and list(rows[0]) != list(cells):
            raise InputError(f"{table}: has other columns than {', '.join(cells)}; choose another table")
        write_text(table, _text([*rows, cells]))


def _read(table: Path) -> list[dict[str, str]]:
    try:
        reader = csv.DictReader(io.StringIO(read_text(table)), strict=True)
        rows = [dict(row) for row in reader]
    except csv.Error as error:
        raise InputError(f"{table}: not CSV ({error})") from None
    if tuple(reader.fieldnames or ())[: len(FIXED)] != FIXED or any(None in row.values() for row in rows):
        raise InputError(f"{table}: not a table of measured networks; its columns start with {', '.join(FIXED)}")
    return rows


def _text(rows: list[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
