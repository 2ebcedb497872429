"""Whole-network times from outside: the input of a calibration, read and checked.

CSV columns `arch, resolution, threads, core, ms`; optional `half_rounding_ms` (else half the last printed digit of
`ms`), `group` (task; else `seg` or `cls`), `use`: `fit` (default), `support` (another family: gives only the cost of
transcendental functions) or `check` (never fitted). `arch` is a name, a YAML or .tflite file beside the CSV, or a
network of `<name>.columns.csv` beside it, which holds summed cost columns of networks that cannot be emitted here.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal

import numpy as np

from evit_nas.errors import InputError, nearest
from evit_nas.graph.emit import emit
from evit_nas.graph.fuse import fuse
from evit_nas.graph.kernel import Kernel
from evit_nas.graph.lowering import AUTHORS
from evit_nas.latency.predictor.base import Floats
from evit_nas.latency.predictor.features import COST_COLUMNS
from evit_nas.latency.predictor.phone_costs import PhoneCosts
from evit_nas.space.arch import NAMED_ARCHS, ArchConfig, Resolution, named_arch, parse_resolution
from evit_nas.space.yaml_io import read_arch

Use = Literal["fit", "support", "check"]
USES: tuple[Use, ...] = ("fit", "support", "check")
REQUIRED = ("arch", "resolution", "threads", "core", "ms")
OPTIONAL = ("half_rounding_ms", "group", "use")
MAX_MS = 1e6


@dataclass(frozen=True, kw_only=True)
class NetworkTime:
    """One network timed end to end. `kernels` is empty where only its summed cost columns are known."""

    name: str
    family: str  # networks of one family are left out together
    group: str
    columns: Floats
    kernels: tuple[Kernel, ...]
    threads: int
    core: str
    ms: float
    half_rounding_ms: float
    use: Use = "fit"


def read_network_times(path: Path, phone: PhoneCosts) -> tuple[NetworkTime, ...]:
    """The rows of `path`, compute in equivalents of `phone`.

    Raises InputError, naming row and column, on anything that is not a legal row.
    """
    known = _columns_beside(path)
    records = _records(path, REQUIRED)
    return tuple(_row(fields, f"{path}:{number}", path.parent, known, phone) for number, fields in records)


def _records(path: Path, required: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.reader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV ({error})") from None
    if len(lines) < 2:
        raise InputError(f"{path}: no rows; expected the columns {', '.join(required)}")
    names = lines[0]
    missing = [name for name in required if name not in names]
    if missing:
        raise InputError(f"{path}:1: column {missing[0]!r} is missing; expected {', '.join(required)}")
    for number, fields in enumerate(lines[1:], start=2):
        if len(fields) != len(names):
            raise InputError(f"{path}:{number}: {len(fields)} fields instead of {len(names)}")
    return [(number, dict(zip(names, fields, strict=True))) for number, fields in enumerate(lines[1:], start=2)]


def _columns_beside(path: Path) -> Mapping[str, Floats]:
    beside = path.with_suffix(".columns.csv")
    if not beside.exists():
        return {}
    records = _records(beside, ("network", *COST_COLUMNS))
    return {
        fields["network"]: np.array([_number(fields, name, f"{beside}:{number}", least=0.0) for name in COST_COLUMNS])
        for number, fields in records
    }


def _row(
    fields: dict[str, str], where: str, folder: Path, known: Mapping[str, Floats], phone: PhoneCosts
) -> NetworkTime:
    for name in fields:
        if name not in REQUIRED + OPTIONAL:
            raise InputError(f"{where}: unknown column {name!r}: {nearest(name, REQUIRED + OPTIONAL)}")
    text, use = fields["arch"], fields.get("use") or "fit"
    if use not in USES:
        raise InputError(f"{where}: use {use!r}: {nearest(use, USES)}")
    kernels, group = ((), "other") if text in known else _kernels(text, fields["resolution"], folder, where)
    threads = _number(fields, "threads", where)
    if threads != int(threads):
        raise InputError(f"{where}: threads {fields['threads']!r} is not a whole number")
    return NetworkTime(
        name=f"{text} {fields['resolution']}".strip(),
        family=text.partition("-")[0] if text in NAMED_ARCHS else text,
        group=fields.get("group") or group,
        columns=known[text] if text in known else phone.summed_columns(kernels),
        kernels=kernels,
        threads=int(threads),
        core=fields["core"] or "any",
        ms=_number(fields, "ms", where),
        half_rounding_ms=_half_rounding(fields, where),
        use=use,
    )


def _kernels(text: str, resolution: str, folder: Path, where: str) -> tuple[tuple[Kernel, ...], str]:
    path = folder / text
    if text in NAMED_ARCHS:
        return authors_kernels(named_arch(text), _resolution(resolution, where)), named_arch(text).task
    if not path.is_file():
        raise InputError(f"{where}: arch {text!r} is no file beside the CSV and no name; {nearest(text, NAMED_ARCHS)}")
    if path.suffix == ".tflite":
        from evit_nas.tflite.reader import read

        return fuse(read(path)).kernels, "tflite"
    arch, own = read_arch(path)
    chosen = _resolution(resolution, where) if resolution else own
    if chosen is None:
        raise InputError(f"{where}: no resolution here and none in {path}; give HxW")
    return authors_kernels(arch, chosen), arch.task


def authors_kernels(arch: ArchConfig, resolution: Resolution) -> tuple[Kernel, ...]:
    """Kernels of the graph that the authors' exporter writes: published phone times are of it."""
    return fuse(emit(arch, resolution, AUTHORS)).kernels


def _resolution(text: str, where: str) -> Resolution:
    try:
        return parse_resolution(text)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _number(fields: dict[str, str], name: str, where: str, *, least: float | None = None) -> float:
    """A finite number above 0 and at most MAX_MS (`least`: from there up, without a limit)."""
    try:
        value = float(fields[name])
    except ValueError:
        raise InputError(f"{where}: {name} {fields[name][:40]!r} is not a number") from None
    legal = 0 < value <= MAX_MS if least is None else value >= least
    if not math.isfinite(value) or not legal:
        raise InputError(f"{where}: {name} {fields[name][:40]} must be above 0 and at most {MAX_MS:g}")
    return value


def _half_rounding(fields: dict[str, str], where: str) -> float:
    if fields.get("half_rounding_ms"):
        return _number(fields, "half_rounding_ms", where)
    try:
        exponent = Decimal(fields["ms"]).as_tuple().exponent
    except InvalidOperation:
        raise InputError(f"{where}: ms {fields['ms'][:40]!r} is not a number") from None
    return 0.5 * 10.0 ** int(exponent)
