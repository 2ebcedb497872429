"""Measured members in a CSV file: columns arch, resolution, miou or top1, and optionally seed.

`arch` is the name of an official network, the path of a YAML file (relative to the CSV) or its text; `resolution` is
HEIGHTxWIDTH and may be empty where the YAML has one; the metric is in percent. Other columns are ignored.
"""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evit_nas.errors import InputError
from evit_nas.space.arch import NAMED_ARCHS, ArchConfig, Resolution, named_arch, parse_resolution
from evit_nas.space.document import read_text
from evit_nas.space.yaml_io import arch_from_yaml

METRICS = {"miou": "seg", "top1": "cls"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One network at one input: the mean over its seeds in percent."""

    arch: ArchConfig
    resolution: Resolution
    value: float
    seeds: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Members:
    """All members of a file, with one metric."""

    metric: str
    rows: tuple[Member, ...]


def read_members(path: Path) -> Members:
    """The members in the CSV file at `path`. Raises InputError, with file and line, for anything else."""
    reader = csv.DictReader(io.StringIO(read_text(path)))
    columns = reader.fieldnames or []
    metric = _metric(path, columns)
    values: dict[tuple[ArchConfig, Resolution], list[float]] = defaultdict(list)
    try:
        for row in reader:
            where = f"{path}:{reader.line_num}"
            arch, resolution = _network(row, path, where)
            if arch.task != METRICS[metric]:
                raise InputError(f"{where}: a network for {arch.task} with {metric}; that needs {METRICS[metric]}")
            values[arch, resolution].append(_percent(row.get(metric), metric, where))
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: not CSV ({error})") from None
    rows = [
        Member(arch=arch, resolution=resolution, value=sum(seen) / len(seen), seeds=len(seen))
        for (arch, resolution), seen in values.items()
    ]
    return Members(metric=metric, rows=tuple(rows))


def _metric(path: Path, columns: Sequence[str]) -> str:
    found = [name for name in METRICS if name in columns]
    if len(found) != 1 or "arch" not in columns or "resolution" not in columns:
        raise InputError(f"{path}:1: columns {', '.join(columns) or 'none'}; needs arch, resolution and miou or top1")
    return found[0]


def _network(row: dict[str, str | None], path: Path, where: str) -> tuple[ArchConfig, Resolution]:
    text, size = (row.get("arch") or "").strip(), (row.get("resolution") or "").strip()
    if not text:
        raise InputError(f"{where}: arch is empty; needs a name ({', '.join(NAMED_ARCHS[:4])}, ...), a file or YAML")
    arch, own = _arch(text, path.parent, where)
    if not size and own is None:
        raise InputError(f"{where}: no resolution; needs HEIGHTxWIDTH, for example 512x1024")
    try:
        return arch, parse_resolution(size) if size or own is None else own
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _arch(text: str, folder: Path, where: str) -> tuple[ArchConfig, Resolution | None]:
    if text in NAMED_ARCHS:
        return named_arch(text), None
    if "\n" in text:
        return arch_from_yaml(text, where)
    file = folder / text
    if not file.is_file():
        raise InputError(f"{where}: arch {text!r} is neither a name of the family nor a file beside the table")
    return arch_from_yaml(read_text(file), str(file))


def _percent(text: str | None, metric: str, where: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not 0 <= value <= 100:
        raise InputError(f"{where}: {metric} {text!r}; needs a number from 0 to 100")
    return value
