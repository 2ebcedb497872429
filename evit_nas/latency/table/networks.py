"""Whole networks timed end to end, kept beside a table as `<stem>.networks.csv`, as durable as its rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import yaml

from evit_nas.errors import InputError, TableError
from evit_nas.latency.measurement import NetworkMeasurement
from evit_nas.latency.table import rowlog
from evit_nas.latency.table.find import NETWORKS_SUFFIX
from evit_nas.latency.table.rowlog import RowLog
from evit_nas.latency.table.schema import count, moment, provenance_of, time_in_range
from evit_nas.space.arch import ArchConfig, Resolution
from evit_nas.space.yaml_io import arch_from_yaml, arch_to_yaml

COLUMNS = ("arch", "latency_ms", "low_ms", "high_ms", "runs", "canary", "measured_at", "provenance")
MAX_MS = 1e6


def networks_path(table_path: Path) -> Path:
    """The networks file that belongs to the table at `table_path` (.csv)."""
    return table_path.with_name(table_path.stem + NETWORKS_SUFFIX)


def load_networks(table_path: Path) -> tuple[NetworkMeasurement, ...]:
    """Networks beside a table, () where none were timed. Raises TableError in one line naming file and row."""
    path = networks_path(table_path)
    if not path.exists():
        return ()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TableError(f"{path}: cannot be read ({error.strerror})") from None
    lines = rowlog.parse(data, COLUMNS, str(path)).lines
    return tuple(_from_fields(line.fields, f"{path}:{line.number}") for line in lines)


class NetworkWriter:
    """Appends whole networks durably. `rows` are those already there."""

    def __init__(self, table_path: Path) -> None:
        path = networks_path(table_path)
        self._log = RowLog(path, COLUMNS)
        try:
            self.rows = tuple(_from_fields(line.fields, f"{path}:{line.number}") for line in self._log.content.lines)
        except BaseException:
            self._log.close()
            raise
        self._known = {_member_text(row.arch, row.resolution) for row in self.rows}

    def has(self, arch: ArchConfig, resolution: Resolution) -> bool:
        return _member_text(arch, resolution) in self._known

    def append(self, row: NetworkMeasurement) -> None:
        """Add one network durably. Raises TableError where the disk is full or the row is not legal."""
        fields = _to_fields(row)
        self._log.append(fields)
        self._known.add(fields[0])
        self.rows = (*self.rows, row)

    def close(self) -> None:
        self._log.close()

    def __enter__(self) -> NetworkWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _member_text(arch: ArchConfig, resolution: Resolution) -> str:
    # JSON is YAML too, and unlike block YAML it fits on the one line that a row is
    document = yaml.safe_load(arch_to_yaml(arch, resolution))
    return json.dumps(document, separators=(",", ":"))


def _to_fields(row: NetworkMeasurement) -> tuple[str, ...]:
    times = (repr(round(float(value), 6)) for value in (row.latency_ms, row.low_ms, row.high_ms))
    member = _member_text(row.arch, row.resolution)
    fields = (member, *times, str(row.runs), repr(round(float(row.canary), 4)), row.measured_at, row.provenance)
    _from_fields(fields, "new row")
    return fields


def _from_fields(fields: Sequence[str], where: str) -> NetworkMeasurement:
    named = dict(zip(COLUMNS, fields, strict=True))
    try:
        arch, resolution = arch_from_yaml(named["arch"], where)
    except InputError as error:
        raise TableError(str(error)) from None
    if resolution is None:
        raise TableError(f"{where}: arch has no resolution")
    low, median, high = (
        time_in_range(named[name], MAX_MS, where, name) for name in ("low_ms", "latency_ms", "high_ms")
    )
    if not low <= median <= high:
        raise TableError(f"{where}: latency_ms {median} lies outside its interval {low} to {high}")
    return NetworkMeasurement(
        arch=arch,
        resolution=resolution,
        latency_ms=median,
        low_ms=low,
        high_ms=high,
        runs=count(named["runs"], where, "runs"),
        canary=time_in_range(named["canary"], 1e3, where, "canary"),
        measured_at=moment(named["measured_at"], where),
        provenance=provenance_of(named["provenance"], where),
    )
