"""A CSV file that grows by one durable, checksummed line at a time.

A line is finished when its newline is on the disk; a process killed while it appends leaves at most one cut last line.
Every line ends with a checksum of its own fields, so a changed value is never read in silence.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from evit_nas.errors import TableError, nearest

try:
    import fcntl
except ImportError:  # only POSIX has advisory locks; elsewhere two writers of one table are the user's to avoid
    fcntl = None  # type: ignore[assignment]

CHECKSUM = "checksum"
MAX_BYTES = 1 << 30


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One finished line: its number in the file (the header is 1), its fields without the checksum, its text."""

    number: int
    fields: tuple[str, ...]
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LogContent:
    """The finished lines, and the cut last line that was dropped ("" where there was none)."""

    lines: tuple[Line, ...]
    dropped: str


def checksum(fields: Sequence[str]) -> str:
    """First 12 hex digits of SHA-256 over the fields, joined by a character that no field may hold."""
    return hashlib.sha256("\x1f".join(fields).encode()).hexdigest()[:12]


def encode(fields: Sequence[str]) -> str:
    """One CSV line, newline included, with the checksum as the last field."""
    if any("\n" in field or "\r" in field or "\x1f" in field for field in fields):
        raise ValueError("a field holds a line break")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow([*fields, checksum(fields)])
    return text.getvalue()


def header(columns: Sequence[str]) -> str:
    return ",".join([*columns, CHECKSUM]) + "\n"


def parse(data: bytes, columns: Sequence[str], source: str) -> LogContent:
    """Read a whole file. Raises TableError, in one line with file and row, on anything but a cut last line."""
    if len(data) > MAX_BYTES:
        raise TableError(f"{source}: {len(data)} bytes is no latency table (limit {MAX_BYTES})")
    whole, newline, rest = data.rpartition(b"\n")
    if not newline:
        raise TableError(f"{source}: no header line; expected {header(columns).strip()}")
    lines = whole.split(b"\n")
    _check_header(_text(lines[0], f"{source}:1"), columns, source)
    parsed = [_parse_line(raw, number, columns, source) for number, raw in enumerate(lines[1:], start=2)]
    dropped = ""
    if rest:
        try:
            parsed.append(_parse_line(rest, len(lines) + 1, columns, source))
        except TableError:
            dropped = f"{source}:{len(lines) + 1}: dropped a cut last line of {len(rest)} bytes"
    return LogContent(lines=tuple(parsed), dropped=dropped)


def _text(raw: bytes, where: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise TableError(f"{where}: not UTF-8 text ({error.reason} at byte {error.start})") from None


def _check_header(text: str, columns: Sequence[str], source: str) -> None:
    expected = header(columns).rstrip("\n")
    if text == expected:
        return
    valid = expected.split(",")
    for name in text.split(","):
        if name not in valid:
            raise TableError(f"{source}:1: unknown column {name[:40]!r}: {nearest(name[:40], valid)}")
    raise TableError(f"{source}:1: columns must be {expected}")


def _parse_line(raw: bytes, number: int, columns: Sequence[str], source: str) -> Line:
    where = f"{source}:{number}"
    text = _text(raw, where)
    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error as error:
        raise TableError(f"{where}: not a CSV line ({error})") from None
    fields = rows[0] if rows else []
    if len(fields) != len(columns) + 1:
        raise TableError(f"{where}: {len(fields)} fields instead of {len(columns) + 1}")
    if checksum(fields[:-1]) != fields[-1]:
        raise TableError(
            f"{where}: the row was changed after it was written (checksum {fields[-1][:12]!r} does not fit); "
            "measure it again or restore the file"
        )
    return Line(number=number, fields=tuple(fields[:-1]), text=text)


class RowLog:
    """Appends to such a file. Opening repairs a cut last line; closing loses nothing, killing loses at most one line.

    Raises TableError where the folder cannot be written or another process is writing the same file.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path = path
        self.columns = tuple(columns)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab+", buffering=0)
        except OSError as error:
            raise TableError(f"{path}: cannot be written ({error.strerror})") from None
        try:
            self._lock()
            self.content = self._repair()
        except BaseException:
            self._file.close()
            raise

    def append(self, fields: Sequence[str]) -> None:
        """On return the line is on the disk. A full disk leaves the file as it was before."""
        start = self._file.seek(0, os.SEEK_END)
        try:
            self._put(encode(fields))
        except OSError as error:
            self._file.truncate(start)
            raise TableError(f"{self.path}: cannot append ({error.strerror})") from None

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> RowLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise TableError(f"{self.path}: another process is writing this table; wait for it to end") from None

    def _repair(self) -> LogContent:
        self._file.seek(0)
        data = self._file.read()
        if not data or (b"\n" not in data and header(self.columns).encode().startswith(data)):
            self._file.truncate(0)
            self._put(header(self.columns))
            return LogContent(lines=(), dropped="")
        content = parse(data, self.columns, str(self.path))
        if content.dropped:
            self._file.truncate(data.rindex(b"\n") + 1)
        elif not data.endswith(b"\n"):
            self._put("\n")
        return content

    def _put(self, text: str) -> None:
        data = text.encode()
        while data:
            data = data[self._file.write(data) :]
        os.fsync(self._file.fileno())
