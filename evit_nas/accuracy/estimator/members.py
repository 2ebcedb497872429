"""Measured members in a CSV file: columns arch, resolution, miou or top1, and optionally seed and recipe.

`arch` is the name of an official network, the path of a YAML file (relative to the CSV) or its text; `resolution` is
HEIGHTxWIDTH and may be empty where the YAML has one; the metric is in percent. `recipe` says how a row was trained, all
of it: rows are compared within one recipe only. Other columns are kept as text.
"""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evit_nas.accuracy.metric import METRICS
from evit_nas.errors import InputError
from evit_nas.space.arch import NAMED_ARCHS, ArchConfig, Resolution, named_arch, parse_resolution
from evit_nas.space.document import read_text
from evit_nas.space.yaml_io import arch_from_yaml


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredLine:
    """One line of a file. `cells`: all its columns as text."""

    arch: ArchConfig
    resolution: Resolution
    value: float
    recipe: str
    cells: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One network at one input: the mean over its seeds in percent."""

    arch: ArchConfig
    resolution: Resolution
    value: float
    seeds: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Members:
    """The members of one recipe, with one metric."""

    metric: str
    rows: tuple[Member, ...]


def read_members(path: Path) -> Members:
    """The members in the CSV file at `path` under the recipe that has most networks (of equals the last in the file).

    Raises InputError, with file and line, for anything else.
    """
    metric, lines = read_lines(path)
    networks: dict[str, set[tuple[ArchConfig, Resolution]]] = defaultdict(set)
    for line in lines:
        networks[line.recipe].add((line.arch, line.resolution))
    chosen = max(networks, key=lambda recipe: (len(networks[recipe]), list(networks).index(recipe)), default="")
    return Members(metric=metric, rows=means([line for line in lines if line.recipe == chosen]))


def means(lines: Sequence[MeasuredLine]) -> tuple[Member, ...]:
    """One member for each network at one input. Networks that differ in eps or classes alone count as one."""
    values: dict[tuple[ArchConfig, Resolution], list[float]] = defaultdict(list)
    first: dict[tuple[ArchConfig, Resolution], ArchConfig] = {}
    for line in lines:
        key = same_network(line.arch), line.resolution
        first.setdefault(key, line.arch)
        values[key].append(line.value)
    return tuple(
        Member(arch=first[key], resolution=key[1], value=sum(seen) / len(seen), seeds=len(seen))
        for key, seen in values.items()
    )


def same_network(arch: ArchConfig) -> ArchConfig:
    """What two files of one network share: eps and the number of classes follow from where it is used."""
    return replace(arch, eps=1e-6, head=replace(arch.head, classes=1))


def read_lines(path: Path) -> tuple[str, list[MeasuredLine]]:
    """The metric and all lines of the CSV file at `path`. Raises InputError, with file and line."""
    reader = csv.DictReader(io.StringIO(read_text(path)))
    metric = _metric(path, reader.fieldnames or [])
    lines = []
    try:
        for row in reader:
            where = f"{path}:{reader.line_num}"
            arch, resolution = _network(row, path, where)
            if metric != METRICS[arch.task]:
                raise InputError(f"{where}: a {arch.task} network with {metric}; that needs {METRICS[arch.task]}")
            value = _percent(row.get(metric), metric, where)
            cells = {name: text or "" for name, text in row.items() if name is not None}
            recipe = cells.get("recipe", "")
            lines.append(MeasuredLine(arch=arch, resolution=resolution, value=value, recipe=recipe, cells=cells))
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: not CSV ({error})") from None
    return metric, lines


def _metric(path: Path, columns: Sequence[str]) -> str:
    found = [name for name in METRICS.values() if name in columns]
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
