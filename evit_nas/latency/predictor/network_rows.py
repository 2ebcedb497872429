"""Whole networks timed on public phones, and the operators they consist of.

Files as published by qed-usc/mobile-ml-benchmark (MIT): operator shapes (model, operation, input_hw, input_channels,
output_hw, stride, kernel, filters, groups) and end-to-end times in microseconds in columns `device|cores|type|mean`.
Element-wise operators are not listed there: they were fused away or forgotten.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evit_nas.errors import InputError, nearest
from evit_nas.graph.kernel import KernelSignature
from evit_nas.latency.predictor.base import Floats
from evit_nas.latency.predictor.public_kernels import Signatures, concat, convolution, linear, mean, pool

SHAPE_COLUMNS = (
    "model",
    "operation",
    "input_hw",
    "input_channels",
    "output_hw",
    "stride",
    "kernel",
    "filters",
    "groups",
)
CONVOLUTIONS = ("CONV_2D", "CONV_2D_GROUP", "DEPTHWISE_CONV_2D")
POOLS = ("MAX_POOL_2D", "AVERAGE_POOL_2D")
MAX_US = 1e9


@dataclass(frozen=True, slots=True)
class NetworkRows:
    """Networks, their kernels and their milliseconds, shape (N,)."""

    names: tuple[str, ...]
    kernels: tuple[Signatures, ...]
    ms: Floats

    def __len__(self) -> int:
        return len(self.names)

    def take(self, chosen: np.ndarray) -> NetworkRows:
        index = chosen.tolist()
        return NetworkRows(tuple(self.names[i] for i in index), tuple(self.kernels[i] for i in index), self.ms[index])


def read_network_rows(path: Path, shapes: Mapping[str, Signatures], column: str) -> NetworkRows:
    """Networks of a CSV of times with their `column|mean`. Raises InputError, naming file, row and fault."""
    wanted = f"{column}|mean"
    names, times = [], []
    for where, record in _records(path, ("model", wanted)):
        name = record["model"]
        if name not in shapes:
            raise InputError(f"{where}: no operators of {name!r} in the file of shapes")
        names.append(name)
        times.append(_microseconds(record[wanted], f"{where}: {wanted}") / 1e3)
    if not names:
        raise InputError(f"{path}: no rows")
    return NetworkRows(tuple(names), tuple(shapes[name] for name in names), np.array(times))


def float_columns(path: Path, devices: Sequence[str]) -> list[str]:
    """The columns `device|cores|float` of a CSV of times for CPU cores of `devices`, in its order."""
    first = next((record for _, record in _records(path, ("model",))), None)
    if first is None:
        raise InputError(f"{path}: no rows")
    named = [name.removesuffix("|mean") for name in first if name.endswith("|float|mean")]
    return [name for name in named if name.split("|")[0] in devices and threads_of(name)]


def threads_of(column: str) -> int:
    """Threads of `device|cores|type`, one a core: 2 for `1large1med`; 0 where cores are not counted (`gpu`)."""
    parts = column.split("|")
    return sum(int(digit) for digit in re.findall(r"\d+", parts[1])) if len(parts) > 1 else 0


def read_shapes(path: Path) -> dict[str, Signatures]:
    """Kernels of every network in a CSV of operator shapes. An operation without a place here is an InputError."""
    found: dict[str, list[KernelSignature]] = {}
    for where, record in _records(path, SHAPE_COLUMNS):
        try:
            kernel = _kernel(record)
        except (ValueError, ZeroDivisionError) as error:
            raise InputError(f"{where}: {record['operation']}: {error}") from None
        found.setdefault(record["model"], []).append(kernel)
    return {name: tuple(kernels) for name, kernels in found.items()}


def _records(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            header = list(reader.fieldnames or ())
            for name in columns:
                if name not in header:
                    raise InputError(f"{path}: no column {name!r}: {nearest(name, header)}")
            for record in reader:
                yield f"{path}:{reader.line_num}", record
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a readable CSV ({error})") from None


def _microseconds(text: str | None, where: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        raise InputError(f"{where} {text!r} is not a number") from None
    if not math.isfinite(value) or not 0 < value <= MAX_US:
        raise InputError(f"{where} {text} is not above 0 and at most {MAX_US:g} us")
    return value


def _kernel(record: Mapping[str, str]) -> KernelSignature:
    """The kernel of one listed operator. Sides are of the padded map, as listed."""
    operation, cin = record["operation"], int(record["input_channels"])
    if operation in CONVOLUTIONS:
        side, out, kernel, stride = (int(record[name]) for name in ("input_hw", "output_hw", "kernel", "stride"))
        filters, groups = int(record["filters"]), int(record["groups"])
        if operation == "DEPTHWISE_CONV_2D":
            return convolution(side, out, cin, cin * filters, kernel, stride, groups=cin)
        return convolution(side, out, cin, filters, kernel, stride, groups=groups)
    if operation in POOLS:
        return pool(
            operation,
            int(record["input_hw"]),
            int(record["output_hw"]),
            cin,
            int(record["kernel"]),
            int(record["stride"]),
        )
    if operation == "MEAN":
        return mean((1, int(record["input_hw"]), int(record["input_hw"]), cin))
    if operation == "FULLY_CONNECTED":
        return linear(1, cin, int(record["filters"]))
    if operation == "CONCATENATION":
        return concat(int(record["output_hw"]), int(record["filters"]), int(record["kernel"]))
    raise ValueError(
        f"unknown operation; known are {', '.join((*CONVOLUTIONS, *POOLS))}, MEAN, FULLY_CONNECTED, CONCATENATION"
    )
