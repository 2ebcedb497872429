"""CSV files of a run folder: written whole, read with the line of every fault."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evit_nas.errors import InputError
from evit_nas.files import write_text
from evit_nas.report.files import read_text


@dataclass(frozen=True)
class Row:
    """One row; each reader raises InputError with file, line and column."""

    cells: Mapping[str, str]
    where: str

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.cells)

    def text(self, name: str) -> str:
        if name not in self.cells:
            raise InputError(f"{self.where}: no column {name!r}")
        return self.cells[name]

    def number(self, name: str) -> float:
        try:
            value = float(self.text(name))
        except ValueError:
            raise self._fault(name, "not a number") from None
        if not math.isfinite(value):
            raise self._fault(name, "not a finite number")
        return value

    def optional(self, name: str) -> float | None:
        """The number, or None where the cell is empty."""
        return self.number(name) if self.text(name) else None

    def integer(self, name: str, *, bits: int = 64) -> int:
        try:
            value = int(self.text(name))
        except ValueError:
            raise self._fault(name, "not an integer") from None
        if not -(1 << bits - 1) <= value < 1 << bits - 1:
            raise self._fault(name, f"not an integer of {bits} bits")
        return value

    def one_of(self, name: str, valid: Sequence[str]) -> str:
        if self.text(name) not in valid:
            raise self._fault(name, f"not one of {', '.join(valid)}")
        return self.text(name)

    def _fault(self, name: str, what: str) -> InputError:
        return InputError(f"{self.where}: {name} {self.text(name)[:40]!r} is {what}")


def write_rows(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """All rows with the first one's columns. None is an empty cell; floats keep every digit."""
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    write_text(path, text.getvalue())


def read_rows(path: Path) -> Iterator[Row]:
    """Rows of a file that `write_rows` wrote. Raises InputError where a line does not fit the header."""
    reader = csv.reader(io.StringIO(read_text(path)), strict=True)
    try:
        header = next(reader, [])
        for cells in reader:
            where = f"{path}:{reader.line_num}"
            if len(cells) != len(header):
                raise InputError(f"{where}: {len(cells)} cells, the header has {len(header)}")
            yield Row(dict(zip(header, cells, strict=True)), where)
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: not CSV ({error})") from None
