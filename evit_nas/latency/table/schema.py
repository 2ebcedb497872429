"""What a latency table holds: the columns of a row, and the provenance beside it.

Version 1. `<device>/<stem>.csv` has one row per kernel signature, `<stem>.json` the provenance,
`<stem>.networks.csv` whole networks timed end to end (for the correction). Times are microseconds for kernels,
milliseconds for networks, as the column names say.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from evit_nas.errors import InputError, TableError, nearest
from evit_nas.graph.kernel import KernelSignature
from evit_nas.latency.measurement import PROVENANCES, Conditions, Measurement, Provenance

SCHEMA_VERSION = 1
MAX_US = 1e9
COLUMNS = (
    "signature",
    "timings",
    "median_us",
    "low_us",
    "high_us",
    "repeats",
    "canary",
    "measured_at",
    "provenance",
)


class NetworkSpread(BaseModel):
    """How far off the latencies of whole networks are where rows were carried over: predictor.interval.Spread."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    base: float = Field(gt=0, le=1, allow_inf_nan=False)
    growth: float = Field(ge=0, le=100, allow_inf_nan=False)
    factor: float = Field(gt=0, le=100, allow_inf_nan=False)


class TableProvenance(BaseModel):
    """The JSON beside a table. `rows` and `content_hash` describe the CSV when it was last closed in order:
    rows appended after that (by a run that was killed) stand on their own checksums.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_version: int = SCHEMA_VERSION
    conditions: Conditions
    cpu_model: str = ""
    soc: str = ""
    host_fingerprint: str = ""
    runtime_version: str = ""
    runtime_hash: str = ""
    tool_version: str = ""
    created_at: str = ""
    updated_at: str = ""
    canary_us: float | None = Field(default=None, gt=0, le=MAX_US, allow_inf_nan=False)
    source: str = ""  # where the rows come from, with its licence, if not from a measurement by this tool
    notes: tuple[str, ...] = ()
    coefficients: dict[str, float] | None = None
    calibration: dict[str, JsonValue] | None = None
    network_spread: NetworkSpread | None = None
    rows: int = Field(default=0, ge=0)
    content_hash: str = ""

    def to_json(self) -> str:
        """Indented JSON, keys sorted, closed by a checksum over everything else."""
        document = self._document()
        document["checksum"] = _digest(document)
        return json.dumps(document, indent=2, sort_keys=True, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, source: str) -> Self:
        """Raises TableError, naming the file and the field, where the text is not such a document."""
        document = _load(text, source)
        version = document.get("schema_version")
        if version != SCHEMA_VERSION:
            raise TableError(f"{source}: table of schema version {version!r}; this evit-nas reads {SCHEMA_VERSION}")
        stated = document.pop("checksum", None)
        try:
            provenance = cls.model_validate_json(json.dumps(document))
        except ValidationError as error:
            raise TableError(f"{source}: {_first_problem(error, cls)}") from None
        if stated != _digest(document):
            raise TableError(f"{source}: changed after it was written (checksum does not fit); restore the file")
        return provenance

    def _document(self) -> dict[str, Any]:
        document = self.model_dump(mode="json")
        document["conditions"] = asdict(self.conditions)
        return document


def _load(text: str, source: str) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not a number")

    try:
        document = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise TableError(f"{source}: not JSON ({error})") from None
    if not isinstance(document, dict):
        raise TableError(f"{source}: expected a JSON object")
    return document


def _digest(document: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]


def _first_problem(error: ValidationError, model: type[BaseModel]) -> str:
    problem = error.errors()[0]
    where = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        return f"unknown key {where!r}: {nearest(where, model.model_fields)}"
    return f"{where}: {problem['msg']}"


def to_fields(row: Measurement) -> tuple[str, ...]:
    """The CSV fields of a row (without checksum). Raises TableError where the row is not a legal measurement."""
    fields = fields_of(row)
    from_fields(fields, "new row")
    return fields


def fields_of(row: Measurement) -> tuple[str, ...]:
    """The CSV fields of a row, unchecked."""
    return (
        row.signature.key,
        str(row.timings),
        *(repr(round(float(value), 4)) for value in (row.median_us, row.low_us, row.high_us)),
        str(row.repeats),
        repr(round(float(row.canary), 4)),
        row.measured_at,
        row.provenance,
    )


def from_fields(fields: Sequence[str], where: str) -> Measurement:
    """The row that these fields stand for. Raises TableError with `where` (file and row) and the offending column."""
    named = dict(zip(COLUMNS, fields, strict=True))
    try:
        signature = KernelSignature.parse(named["signature"])
    except InputError as error:
        raise TableError(f"{where}: {error}") from None
    low, median, high = (time_in_range(named[name], MAX_US, where, name) for name in ("low_us", "median_us", "high_us"))
    if not low <= median <= high:
        raise TableError(f"{where}: median_us {median} lies outside its interval {low} to {high}")
    return Measurement(
        signature=signature,
        timings=count(named["timings"], where, "timings"),
        median_us=median,
        low_us=low,
        high_us=high,
        repeats=count(named["repeats"], where, "repeats"),
        canary=time_in_range(named["canary"], 1e3, where, "canary"),
        measured_at=moment(named["measured_at"], where),
        provenance=provenance_of(named["provenance"], where),
    )


def time_in_range(text: str, limit: float, where: str, name: str) -> float:
    """A finite number above 0 and at most `limit`, else TableError."""
    try:
        value = float(text)
    except ValueError:
        raise TableError(f"{where}: {name} {text[:40]!r} is not a number") from None
    if not math.isfinite(value) or not 0 < value <= limit:
        raise TableError(f"{where}: {name} {text[:40]} is not above 0 and at most {limit:g}")
    return value


def count(text: str, where: str, name: str) -> int:
    """An integer from 1 up to a billion, else TableError."""
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) >= 1):
        raise TableError(f"{where}: {name} {text[:40]!r} is not a whole number from 1 up")
    return int(text)


def moment(text: str, where: str) -> str:
    """An ISO 8601 date and time, else TableError."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise TableError(f"{where}: measured_at {text[:40]!r} is not an ISO 8601 time") from None
    return text


def provenance_of(text: str, where: str) -> Provenance:
    if text not in PROVENANCES:
        raise TableError(f"{where}: provenance {text[:40]!r}: {nearest(text[:40], PROVENANCES)}")
    return text
