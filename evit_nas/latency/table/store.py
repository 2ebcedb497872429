"""Reading, looking up, appending and rewriting latency tables."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType

from evit_nas.errors import InputError, MissingCostError, TableError
from evit_nas.files import write_text
from evit_nas.graph.kernel import KernelSignature
from evit_nas.latency.measurement import Conditions, Measurement
from evit_nas.latency.table import rowlog
from evit_nas.latency.table.rowlog import Line, RowLog
from evit_nas.latency.table.schema import COLUMNS, TableProvenance, fields_of, from_fields, to_fields

_FILE_NAME = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]{0,63}")
AGREE = 1.25  # two rows of one signature disagree where their medians differ by more than this factor


@dataclass(frozen=True, kw_only=True)
class Table:
    """All rows of one set of conditions, one per signature. `notes` says what reading it had to put up with."""

    provenance: TableProvenance
    rows: tuple[Measurement, ...]
    notes: tuple[str, ...] = ()
    path: Path | None = None

    @property
    def conditions(self) -> Conditions:
        return self.provenance.conditions

    @cached_property
    def _index(self) -> dict[str, Measurement]:
        return {row.signature.key: row for row in self.rows}

    def __contains__(self, signature: KernelSignature) -> bool:
        return signature.key in self._index

    def lookup(self, signature: KernelSignature) -> Measurement:
        """The row of `signature`. Raises MissingCostError where there is none."""
        row = self._index.get(signature.key)
        if row is None:
            where = self.path or f"{self.conditions.device}/{self.conditions.stem}"
            raise MissingCostError(f"{where}: no row for {signature.key} among {len(self.rows)} kernels")
        return row

    @cached_property
    def hash(self) -> str:
        """16 hex digits over conditions, rows (in any order) and coefficients: what a report cites."""
        digest = hashlib.sha256(repr(self.conditions).encode())
        for text in sorted(rowlog.encode(fields_of(row)) for row in self.rows):
            digest.update(text.encode())
        digest.update(repr(sorted((self.provenance.coefficients or {}).items())).encode())
        return digest.hexdigest()[:16]


def table_path(tables_dir: Path, conditions: Conditions) -> Path:
    """Where the table of these conditions lies under a tables folder. Raises TableError for illegal names."""
    for name in ("device", "runtime", "delegate", "core", "dtype"):
        value = getattr(conditions, name)
        if not _FILE_NAME.fullmatch(value):
            raise TableError(
                f"{name} {value[:40]!r}: only letters, digits and the signs . _ + - (at most 64, no . first)"
            )
    return tables_dir / conditions.device / f"{conditions.stem}.csv"


def load_table(path: Path) -> Table:
    """Read and check a table (.csv with its .json). Raises TableError in one line that names file, row and problem.

    A cut last line, the mark of a killed run, is dropped with a note. Anything else that is wrong is an error.
    """
    provenance = _load_provenance(path)
    content = rowlog.parse(_read(path), COLUMNS, str(path))
    _check_finished_part(content.lines, provenance, path)
    rows, notes = _one_per_signature(content.lines, path)
    _check_mixture(rows, path)
    dropped = (content.dropped,) if content.dropped else ()
    return Table(provenance=provenance, rows=rows, notes=(*provenance.notes, *dropped, *notes), path=path)


def write_table(table: Table, path: Path) -> Table:
    """Write a whole table beside and rename. Returns it as it will be read.

    The JSON vouches for no row until the last one is written: a kill in between leaves a table that can be read.
    """
    lines = [rowlog.encode(to_fields(row)) for row in table.rows]
    provenance = _closed(table.provenance, [line.rstrip("\n") for line in lines])
    _check_place(path, provenance)
    write_beside(path.with_suffix(".json"), _closed(provenance, []).to_json())
    write_beside(path, rowlog.header(COLUMNS) + "".join(lines))
    write_beside(path.with_suffix(".json"), provenance.to_json())
    return replace(table, provenance=provenance, path=path)


def write_beside(path: Path, text: str) -> None:
    """`files.write_text`, as a TableError where it fails."""
    try:
        write_text(path, text)
    except InputError as error:
        raise TableError(str(error)) from None


class TableWriter:
    """Grows a table row by row; what `append` returned from survives kill -9.

    Opens the table at `tables_dir`, new or to be continued: `rows` are those measured already, and `append` refuses a
    signature that has one. Transferred rows stay in the file until measured ones take their place. Raises TableError
    where the table there is damaged or of another runtime.
    """

    def __init__(self, tables_dir: Path, provenance: TableProvenance) -> None:
        self.path = table_path(tables_dir, provenance.conditions)
        existing = _provenance_if_any(self.path)
        if existing is not None:
            _check_same_source(existing, provenance, self.path)
        self._log = RowLog(self.path, COLUMNS)
        try:
            self.provenance = existing or self._start(provenance)
            content = self._log.content
            _check_finished_part(content.lines, self.provenance, self.path)
            rows, notes = _one_per_signature(content.lines, self.path)
            self.rows = tuple(row for row in rows if row.provenance != "transferred")
        except BaseException:
            self._log.close()
            raise
        self.notes = (*((content.dropped,) if content.dropped else ()), *notes)
        self._keys = {row.signature.key for row in self.rows}
        self._texts = [line.text for line in content.lines]

    def __contains__(self, signature: KernelSignature) -> bool:
        return signature.key in self._keys

    def append(self, row: Measurement) -> None:
        """Add one row durably. Raises TableError where its signature is there already, or it is no legal row."""
        key = row.signature.key
        if key in self._keys:
            raise TableError(f"{self.path}: {key} is measured already")
        fields = to_fields(row)
        self._log.append(fields)
        self._keys.add(key)
        self._texts.append(rowlog.encode(fields).rstrip("\n"))
        self.rows = (*self.rows, row)

    def close(self, *, updated_at: str = "", notes: Sequence[str] = ()) -> None:
        """Seal: the JSON then vouches for every row up to here."""
        new = tuple(note for note in notes if note not in self.provenance.notes)
        sealed = _closed(self.provenance, self._texts)
        sealed = sealed.model_copy(
            update={"notes": (*sealed.notes, *new), "updated_at": updated_at or sealed.updated_at}
        )
        write_beside(self.path.with_suffix(".json"), sealed.to_json())
        self.provenance = sealed
        self._log.close()

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._log.close()

    def _start(self, provenance: TableProvenance) -> TableProvenance:
        if self._log.content.lines:
            raise TableError(f"{self.path.with_suffix('.json')}: missing; rows without provenance are not continued")
        fresh = provenance.model_copy(update={"rows": 0, "content_hash": _content_hash([])})
        write_beside(self.path.with_suffix(".json"), fresh.to_json())
        return fresh


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TableError(f"{path}: cannot be read ({error.strerror})") from None


def _load_provenance(path: Path) -> TableProvenance:
    if path.suffix != ".csv":
        raise TableError(f"{path}: a latency table is a .csv file with its .json beside it")
    beside = path.with_suffix(".json")
    if path.exists() and not beside.exists():
        raise TableError(f"{beside}: missing; a table without provenance is not used")
    try:
        text = _read(beside).decode("utf-8")
    except UnicodeDecodeError:
        raise TableError(f"{beside}: not UTF-8 text") from None
    provenance = TableProvenance.from_json(text, str(beside))
    _check_place(path, provenance)
    return provenance


def _provenance_if_any(path: Path) -> TableProvenance | None:
    return _load_provenance(path) if path.with_suffix(".json").exists() else None


def _check_place(path: Path, provenance: TableProvenance) -> None:
    expected = table_path(Path(), provenance.conditions)
    if (path.parent.name, path.name) != (expected.parent.name, expected.name):
        raise TableError(f"{path}: holds rows of other conditions; a table of these is always called {expected}")


def _check_same_source(existing: TableProvenance, new: TableProvenance, path: Path) -> None:
    for name in ("conditions", "runtime_version", "runtime_hash", "host_fingerprint"):
        old, now = getattr(existing, name), getattr(new, name)
        if old != now:
            raise TableError(f"{path}: was measured with {name} {old}, not {now}; rows of both do not mix")


def _check_finished_part(lines: Sequence[Line], provenance: TableProvenance, path: Path) -> None:
    if len(lines) < provenance.rows:
        raise TableError(f"{path}: holds {len(lines)} rows, its provenance vouches for {provenance.rows}")
    if _content_hash([line.text for line in lines[: provenance.rows]]) != provenance.content_hash:
        raise TableError(f"{path}: rows were removed, added or reordered after it was closed; restore the file")


def _content_hash(texts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def _closed(provenance: TableProvenance, texts: Sequence[str]) -> TableProvenance:
    return provenance.model_copy(update={"rows": len(texts), "content_hash": _content_hash(texts)})


def _one_per_signature(lines: Sequence[Line], path: Path) -> tuple[tuple[Measurement, ...], tuple[str, ...]]:
    found: dict[str, tuple[int, Measurement]] = {}
    notes = []
    for line in lines:
        row = from_fields(line.fields, f"{path}:{line.number}")
        number, earlier = found.get(row.signature.key, (line.number, row))
        if earlier.provenance == "transferred":  # superseded by what was measured since
            number, earlier = line.number, row
        ratio = row.median_us / earlier.median_us
        if not 1 / AGREE <= ratio <= AGREE:
            raise TableError(
                f"{path}:{line.number}: {row.median_us} us disagrees with {earlier.median_us} us of the same kernel "
                f"in row {number}"
            )
        if number != line.number:
            notes.append(f"{path}:{line.number}: second row of the kernel in row {number}; the later one is used")
        found[row.signature.key] = (line.number, row)
    return tuple(row for _, row in found.values()), tuple(notes)


def _check_mixture(rows: Sequence[Measurement], path: Path) -> None:
    kinds = {row.provenance for row in rows} - {"transferred"}
    if "simulated" in kinds and len(kinds) > 1:
        raise TableError(f"{path}: simulated rows stand beside {', '.join(sorted(kinds - {'simulated'}))} ones")
