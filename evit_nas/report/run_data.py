"""What a run folder holds, as data, and its CSV files.

pareto.csv        the best networks: where they lie, what they are estimated at, how they were verified
evaluated.csv     every evaluated network, with its choice in each dimension of the space (`dim:` columns)
references.csv    the official networks: as published, and as this run's own estimators see them
breakdown.csv     where the time of a network goes, by stage
manifest.json     how the run came about (manifest.py)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evit_nas.report.csv_files import Row, read_rows, write_rows
from evit_nas.report.manifest import Manifest, read_manifest, write_manifest

Floats = NDArray[np.float64]
_FLOATS = ("value", "low", "high", "latency_ms", "latency_low_ms", "latency_high_ms", "extrapolated")
_COUNTS = ("macs", "params")
_DIMENSION = "dim:"


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluated:
    """All evaluated networks, arrays of length N: the metric in percent and the latency, each with its 90 % interval.

    `codes` (N, D) holds the choice of each dimension as an index; `extrapolated` the share of the time.
    """

    value: Floats
    low: Floats
    high: Floats
    latency_ms: Floats
    latency_low_ms: Floats
    latency_high_ms: Floats
    extrapolated: Floats
    macs: NDArray[np.int64]
    params: NDArray[np.int64]
    dimensions: tuple[str, ...]
    codes: NDArray[np.int32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Winner:
    """One of the best networks. `arch_file` is relative to the run folder; shares of time sum to 1."""

    rank: int
    arch_file: str
    resolution: str
    value: float
    low: float
    high: float
    latency_ms: float
    latency_low_ms: float
    latency_high_ms: float
    macs: int
    params: int
    measured: float
    interpolated: float
    extrapolated: float
    provenance: str
    verification: str  # in words
    verified_ms: float | None = None  # as re-measured on the device, with its interval
    verified_low_ms: float | None = None
    verified_high_ms: float | None = None
    verified_provenance: str = ""  # `measured`, or `simulated` where a stand-in was timed
    missed_budget: bool = False
    departures: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """An official network to compare with. `published`: numbers of the paper or README; `estimated`: of this run.

    What a source does not give is None.
    """

    kind: Literal["published", "estimated"]
    name: str
    resolution: str
    macs: int
    value: float | None = None
    latency_ms: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Breakdown:
    """Predicted milliseconds of a network by stage, in execution order."""

    name: str
    parts: tuple[tuple[str, float], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunData:
    """A whole run, as `write_run` keeps it and `read_run` gives it back."""

    manifest: Manifest
    evaluated: Evaluated
    winners: tuple[Winner, ...]
    references: tuple[Reference, ...] = ()
    breakdowns: tuple[Breakdown, ...] = ()


def write_run(folder: Path, run: RunData) -> tuple[Path, ...]:
    """Write the CSV files and, last, the manifest. Returns the files."""
    names = ("pareto.csv", "evaluated.csv", "references.csv", "breakdown.csv")
    tables = (_winner_rows(run.winners), _evaluated_rows(run.evaluated), _reference_rows(run.references))
    for name, rows in zip(names, (*tables, _breakdown_rows(run.breakdowns)), strict=True):
        write_rows(folder / name, rows)
    return (*(folder / name for name in names), write_manifest(folder, run.manifest))


def read_run(folder: Path) -> RunData:
    """A run folder as data. Raises InputError (file, line, what) for one that is damaged or of another version."""
    manifest = read_manifest(folder)
    return RunData(
        manifest=manifest,
        evaluated=_read_evaluated(folder / "evaluated.csv"),
        winners=tuple(_read_winner(row) for row in read_rows(folder / "pareto.csv")),
        references=tuple(_read_reference(row) for row in read_rows(folder / "references.csv")),
        breakdowns=_read_breakdowns(folder / "breakdown.csv"),
    )


def _winner_rows(winners: tuple[Winner, ...]) -> list[Mapping[str, object]]:
    names = Winner.__slots__
    return [{n: getattr(w, n) for n in names} | {"departures": "; ".join(w.departures)} for w in winners]


def _read_winner(row: Row) -> Winner:
    return Winner(
        rank=row.integer("rank"),
        arch_file=row.text("arch_file"),
        resolution=row.text("resolution"),
        value=row.number("value"),
        low=row.number("low"),
        high=row.number("high"),
        latency_ms=row.number("latency_ms"),
        latency_low_ms=row.number("latency_low_ms"),
        latency_high_ms=row.number("latency_high_ms"),
        macs=row.integer("macs"),
        params=row.integer("params"),
        measured=row.number("measured"),
        interpolated=row.number("interpolated"),
        extrapolated=row.number("extrapolated"),
        provenance=row.text("provenance"),
        verification=row.text("verification"),
        verified_ms=row.optional("verified_ms"),
        verified_low_ms=row.optional("verified_low_ms"),
        verified_high_ms=row.optional("verified_high_ms"),
        verified_provenance=_verified_by(row),
        missed_budget=row.one_of("missed_budget", ("True", "False")) == "True",
        departures=tuple(filter(None, row.text("departures").split("; "))),
    )


def _verified_by(row: Row) -> str:
    """Folders from before this column hold times of hosts, which measure."""
    if "verified_provenance" not in row.columns:
        return "measured" if row.optional("verified_ms") is not None else ""
    return row.one_of("verified_provenance", ("", "measured", "simulated"))


def _evaluated_rows(evaluated: Evaluated) -> list[Mapping[str, object]]:
    columns: dict[str, list[object]] = {n: getattr(evaluated, n).tolist() for n in (*_FLOATS, *_COUNTS)}
    for number, name in enumerate(evaluated.dimensions):
        columns[_DIMENSION + name] = evaluated.codes[:, number].tolist()
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def _read_evaluated(path: Path) -> Evaluated:
    rows = list(read_rows(path))
    columns = rows[0].columns if rows else ()
    dimensions = tuple(name for name in columns if name.startswith(_DIMENSION))
    floats = {n: np.array([row.number(n) for row in rows], dtype=np.float64) for n in _FLOATS}
    counts = {n: np.array([row.integer(n) for row in rows], dtype=np.int64) for n in _COUNTS}
    codes = np.array([[row.integer(n, bits=32) for n in dimensions] for row in rows], dtype=np.int32)
    return Evaluated(
        value=floats["value"],
        low=floats["low"],
        high=floats["high"],
        latency_ms=floats["latency_ms"],
        latency_low_ms=floats["latency_low_ms"],
        latency_high_ms=floats["latency_high_ms"],
        extrapolated=floats["extrapolated"],
        macs=counts["macs"],
        params=counts["params"],
        dimensions=tuple(name.removeprefix(_DIMENSION) for name in dimensions),
        codes=codes.reshape(len(rows), len(dimensions)),
    )


def _reference_rows(references: tuple[Reference, ...]) -> list[Mapping[str, object]]:
    return [{name: getattr(r, name) for name in Reference.__slots__} for r in references]


def _read_reference(row: Row) -> Reference:
    return Reference(
        kind="published" if row.one_of("kind", ("published", "estimated")) == "published" else "estimated",
        name=row.text("name"),
        resolution=row.text("resolution"),
        macs=row.integer("macs"),
        value=row.optional("value"),
        latency_ms=row.optional("latency_ms"),
    )


def _breakdown_rows(breakdowns: tuple[Breakdown, ...]) -> list[Mapping[str, object]]:
    return [{"name": b.name, "stage": stage, "latency_ms": ms} for b in breakdowns for stage, ms in b.parts]


def _read_breakdowns(path: Path) -> tuple[Breakdown, ...]:
    groups = groupby(read_rows(path), key=lambda row: row.text("name"))
    return tuple(
        Breakdown(name=name, parts=tuple((row.text("stage"), row.number("latency_ms")) for row in rows))
        for name, rows in groups
    )
