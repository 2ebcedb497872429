"""Finished generations of a search, appended durably: one JSON line each, with a checksum, on disk before it counts.

The first line is the header: what the search was asked for. A last line that was cut off by a crash is dropped; any
other damage is an error, since a changed result must never be read in silence.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from evit_nas.errors import InputError
from evit_nas.search.objective import SCORE_FIELDS, Scores
from evit_nas.search.study import Generation

JOURNAL_SCHEMA = "evit-nas/generations-1"
_INTEGERS = ("macs", "params")


@dataclass(frozen=True, kw_only=True)
class JournalContent:
    """What a journal holds. `end`: bytes of it that are whole."""

    header: Mapping[str, Any]
    generations: tuple[Generation, ...]
    end: int


class Journal:
    """An open journal. `append` returns when the generation is on disk."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self._file = file

    @classmethod
    def create(cls, path: Path, header: Mapping[str, Any]) -> Journal:
        """A new journal at `path`. Raises InputError where it cannot be written or exists."""
        try:
            journal = cls(path, path.open("xb"))
        except FileExistsError:
            raise InputError(f"{path}: a search was recorded here; resume it, or choose another folder") from None
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror})") from None
        journal._write({"schema": JOURNAL_SCHEMA, "header": dict(header)})
        return journal

    @classmethod
    def resume(cls, path: Path) -> tuple[Journal, JournalContent]:
        """The journal at `path`, cut back to its last whole line, and what it holds."""
        content = read_generations(path)
        try:
            file = path.open("r+b")
            file.truncate(content.end)
            file.seek(content.end)
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror})") from None
        return cls(path, file), content

    def append(self, generation: Generation) -> None:
        """Add one finished generation. Raises InputError where the disk refuses it; what was there before stays."""
        scores = {name: getattr(generation.scores, name).tolist() for name in SCORE_FIELDS}
        self._write({"generation": generation.number, "rows": generation.rows.tolist(), "scores": scores})

    def _write(self, record: Mapping[str, Any]) -> None:
        text = json.dumps(record, separators=(",", ":"))
        line = f"{zlib.crc32(text.encode()):08x} {text}\n".encode()
        try:
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({error.strerror})") from None

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_generations(path: Path) -> JournalContent:
    """Header and finished generations. Raises InputError where the file is missing, damaged or of another version."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: no journal of a search ({error.strerror})") from None
    lines = data.split(b"\n")[:-1]  # what follows the last newline was cut off
    if not lines:
        raise InputError(f"{path}: holds no finished line; start a new search")
    records = [_record(path, number, line) for number, line in enumerate(lines, start=1)]
    header = records[0]
    if header.get("schema") != JOURNAL_SCHEMA or not isinstance(header.get("header"), dict):
        raise InputError(f"{path}: schema {header.get('schema')!r}; this version reads {JOURNAL_SCHEMA!r}")
    generations = tuple(_generation(path, number, record) for number, record in enumerate(records[1:]))
    return JournalContent(header=header["header"], generations=generations, end=sum(len(line) + 1 for line in lines))


def _record(path: Path, number: int, line: bytes) -> dict[str, Any]:
    checksum, _, text = line.partition(b" ")
    try:
        if int(checksum, 16) != zlib.crc32(text):
            raise ValueError
        record = json.loads(text)
    except ValueError:
        raise InputError(f"{path}:{number}: damaged line (its checksum does not fit); restore the file") from None
    if not isinstance(record, dict):
        raise InputError(f"{path}:{number}: not a record of a search")
    return record


def _generation(path: Path, number: int, record: Mapping[str, Any]) -> Generation:
    try:
        rows = np.array(record["rows"], dtype=np.int32)
        columns: dict[str, Any] = {
            name: np.array(record["scores"][name], dtype=np.int64 if name in _INTEGERS else np.float64)
            for name in SCORE_FIELDS
        }
        if record["generation"] != number or rows.ndim != 2 or any(c.shape != rows.shape[:1] for c in columns.values()):
            raise ValueError
    except (KeyError, TypeError, ValueError, OverflowError):
        raise InputError(f"{path}: generation {number} is missing or incomplete; restore the file") from None
    return Generation(number=number, rows=rows, scores=Scores(**columns))
