"""Measured blocks of public phones: one row is one block of a mobile network, timed alone.

Columns as in the published look-up tables of nn-Meter's ElasticViT branch (MIT): key, block, hw_in (square input), cin,
cout, expand, stride, kernel, act, se, v_scale, norm, then milliseconds by device.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evit_nas.errors import InputError, nearest
from evit_nas.latency.predictor.base import Floats

BLOCKS = ("firstconv", "conv", "transds", "transattn", "transffn", "mbpool")
NEEDED: Mapping[str, tuple[str, ...]] = {
    "firstconv": ("stride", "kernel"),
    "conv": ("expand", "stride", "kernel", "se"),
    "transds": ("expand", "stride", "kernel"),
    "transattn": ("v_scale",),
    "transffn": ("expand",),
    "mbpool": ("expand",),
}
NUMBERS = ("hw_in", "cin", "cout", "expand", "stride", "kernel", "se", "v_scale")
MAX_MS = 1e6


@dataclass(frozen=True, slots=True)
class PublicBlock:
    """One block: square input side, channels and what its kind needs (0 where it does not)."""

    block: str
    hw_in: int
    cin: int
    cout: int
    expand: int = 0
    stride: int = 1
    kernel: int = 0
    se: int = 0
    v_scale: int = 0

    @property
    def family(self) -> str:
        """Blocks of one input shape: near-duplicates of each other, kept together where a split must be honest."""
        return f"{self.block} {self.hw_in}x{self.hw_in}x{self.cin}"


@dataclass(frozen=True, slots=True)
class PublicRows:
    """Blocks and their milliseconds on one device, shape (N,)."""

    blocks: tuple[PublicBlock, ...]
    ms: Floats

    def __len__(self) -> int:
        return len(self.blocks)

    def take(self, chosen: Sequence[int] | np.ndarray) -> PublicRows:
        index = np.asarray(chosen, dtype=np.intp)
        return PublicRows(tuple(self.blocks[i] for i in index), self.ms[index])


def read_public_rows(path: Path, device: str) -> PublicRows:
    """The blocks of a CSV and their times in the column `device`.

    Raises InputError, naming file, row and column, where the file cannot be read, lacks a column, or a value is no
    legal one. Duplicates that agree within 25 % count as they are; others are an error.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            header = list(reader.fieldnames or ())
            _check_header(header, device, path)
            parsed = [_row(record, device, f"{path}:{reader.line_num}") for record in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a readable CSV ({error})") from None
    if not parsed:
        raise InputError(f"{path}: no rows")
    _check_duplicates(parsed, path)
    return PublicRows(tuple(block for block, _ in parsed), np.array([ms for _, ms in parsed]))


def _check_header(header: Sequence[str], device: str, path: Path) -> None:
    for name in ("block", *NUMBERS):
        if name not in header:
            raise InputError(f"{path}: no column {name!r}; a file of public blocks has block, {', '.join(NUMBERS)}")
    if device not in header or not device.endswith("_ms"):
        times = [name for name in header if name and name.endswith("_ms")]
        raise InputError(f"{path}: no device column {device!r}: {nearest(device, times)}")


def _row(record: Mapping[str, str], device: str, where: str) -> tuple[PublicBlock, float]:
    kind = record["block"]
    if kind not in BLOCKS:
        raise InputError(f"{where}: block {kind!r}: {nearest(str(kind), BLOCKS)}")
    needed = ("hw_in", "cin", "cout", *NEEDED[kind])
    values = {name: _whole(record[name], name, where) for name in needed}
    return PublicBlock(kind, **values), _milliseconds(record[device], device, where)


def _whole(text: str | None, name: str, where: str) -> int:
    low = 0 if name == "se" else 1
    if text is None or not (text.isascii() and text.isdigit() and low <= int(text) <= 65536):
        raise InputError(f"{where}: {name} {text!r} is not a whole number from {low} to 65536")
    return int(text)


def _milliseconds(text: str | None, name: str, where: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        raise InputError(f"{where}: {name} {text!r} is not a number") from None
    if not math.isfinite(value) or not 0 < value <= MAX_MS:
        raise InputError(f"{where}: {name} {text} is not above 0 and at most {MAX_MS:g} ms")
    return value


def _check_duplicates(parsed: Sequence[tuple[PublicBlock, float]], path: Path) -> None:
    seen: dict[PublicBlock, float] = {}
    for block, ms in parsed:
        earlier = seen.setdefault(block, ms)
        if not 0.8 <= ms / earlier <= 1.25:
            raise InputError(f"{path}: {block.family}: two rows of one block disagree ({earlier:g} and {ms:g} ms)")
