"""The typed result of each verb. Its fields are the keys of the command's `--json` document.

Units are in the names: milliseconds, bytes, plain counts. Accuracies are in percent. A field that is None stands as
null, except where the field says that its key is left out. Every path is absolute.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from evit_nas.workflows.result_parts import OMIT_NONE as _OMIT_NONE
from evit_nas.workflows.result_parts import KernelTime, KindTime, StageTime, Uncovered


class Result:
    """Base of the results: `to_json()` is the document that `--json` prints."""

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, strings, numbers. Raises ValueError for a number that is not finite."""
        document: dict[str, Any] = _plain(self, type(self).__name__)
        return document


def _plain(value: Any, where: str) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        kept = [f for f in fields(value) if not (f.metadata.get("omit_none") and getattr(value, f.name) is None)]
        return {f.name: _plain(getattr(value, f.name), f"{where}.{f.name}") for f in kept}
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{where}[{key}]") for key, item in value.items()}
    if isinstance(value, Path):
        return str(value.absolute())
    if isinstance(value, str | bool | None):
        return value
    if isinstance(value, Sequence):
        return [_plain(item, f"{where}[{number}]") for number, item in enumerate(value)]
    return _number(value, where)


def _number(value: Any, where: str) -> int | float:
    """A Python number, also from a numpy scalar."""
    number: int | float = value.item() if hasattr(value, "item") else value
    if not isinstance(number, int | float) or not math.isfinite(number):
        raise ValueError(f"{where} is {number!r}: a result holds finite numbers only")
    return number


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceInfo:
    """`id`: serial or host fingerprint; `soc`: model number in lower case or None; `state`: adb's own word."""

    id: str
    kind: str  # `host` or `adb`
    soc: str | None
    state: str
    advice: str = ""  # what to do about the state; empty where nothing is to be done
    name: str = ""  # CPU or phone model


@dataclass(frozen=True, kw_only=True)
class DevicesResult(Result):
    devices: tuple[DeviceInfo, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TableInfo:
    """One latency table: where it lies, of which conditions, and where its rows come from."""

    path: Path
    device: str
    runtime: str
    delegate: str
    core: str
    threads: int
    dtype: str
    lowering: str
    rows: int
    provenance: str
    measured_at: str | None = None  # of the last row, ISO 8601
    source: str = ""  # what it was measured on or calibrated from
    hash: str = ""


@dataclass(frozen=True, kw_only=True)
class TablesResult(Result):
    tables: tuple[TableInfo, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class RowChange:
    """A kernel that both tables hold: its medians and their ratio, B over A."""

    signature: str
    a_us: float
    b_us: float
    ratio: float


@dataclass(frozen=True, kw_only=True)
class TablesDiffResult(Result):
    """`changes` lists the shared kernels, the largest change first. `median_ratio` is None where none is shared."""

    a: Path
    b: Path
    shared: int
    only_a: int
    only_b: int
    median_ratio: float | None
    changes: tuple[RowChange, ...]
    drift: bool = False  # most kernels moved the same way by more than 2 %


@dataclass(frozen=True, kw_only=True, slots=True)
class TableCheck:
    """`problem` is empty where the table is sound.

    `inversions`: measured rows that say a larger kernel is faster, beyond noise; they count as sound. The worst of them
    are in `worst_inversions`, in words.
    """

    path: Path
    rows: int
    problem: str = ""
    inversions: int = 0
    worst_inversions: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TablesValidateResult(Result):
    tables: tuple[TableCheck, ...]
    valid: bool


@dataclass(frozen=True, kw_only=True)
class TablesMergeResult(Result):
    table: Path
    rows: int
    from_a: int
    from_b: int


@dataclass(frozen=True, kw_only=True, slots=True)
class CalibrationFit:
    """One whole network of the calibration: its time and the one predicted when it is left out."""

    name: str
    measured_ms: float
    left_out_ms: float


@dataclass(frozen=True, kw_only=True)
class CalibrateResult(Result):
    """Errors are mean absolute percentage errors, in percent; `loo_mape` with selection inside each fold."""

    table: Path
    rows: int
    loo_mape: float
    in_sample_mape: float
    networks: tuple[CalibrationFit, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SpaceResult(Result):
    """`size` is exact; `choices` maps each dimension to its values; `files` are the sampled members."""

    space: str
    size: int
    choices: Mapping[str, Sequence[Any]]
    files: tuple[Path, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class StageRow:
    """One stage: output shape (channels, height, width), parameters and MACs in the official convention."""

    name: str
    blocks: str
    channels: int
    height: int
    width: int
    params: int
    macs: int


@dataclass(frozen=True, kw_only=True)
class ArchResult(Result):
    arch: str
    resolution: str
    params: int
    macs: int
    stages: tuple[StageRow, ...]
    kernel_macs: int | None = field(default=None, metadata=_OMIT_NONE)  # of what runs, by the default lowering
    peak_activation_bytes: int | None = field(default=None, metadata=_OMIT_NONE)
    schedule: str = "plain"


@dataclass(frozen=True, kw_only=True)
class ProfileResult(Result):
    """`coverage`: mean share of random members' predicted time that is measured or interpolated, not extrapolated."""

    table: Path
    rows: int
    rows_new: int
    coverage: float
    device: str
    seconds: float
    phone_seconds: float | None = field(default=None, metadata=_OMIT_NONE)  # by the phone's own clock
    transferred: int | None = field(default=None, metadata=_OMIT_NONE)  # rows carried over from another device
    transferred_from: str | None = field(default=None, metadata=_OMIT_NONE)
    rounds_figure: Path | None = field(default=None, metadata=_OMIT_NONE)  # clock and temperature of a phone, over time


@dataclass(frozen=True, kw_only=True, slots=True)
class CoverageShares:
    """Shares of the predicted time, summing to 1."""

    measured: float
    interpolated: float
    extrapolated: float


@dataclass(frozen=True, kw_only=True)
class PredictResult(Result):
    """A latency with its 90 % interval. `shares`: provenance -> share of time; breakdowns only when asked for.

    `breakdown` is by block in order of execution, the head's together; `figures` are the files drawn.
    """

    latency_ms: float
    low_ms: float
    high_ms: float
    provenance: str
    shares: Mapping[str, float]
    coverage: CoverageShares
    device: str
    table: Path
    lowering: str
    threads: int
    resolution: str | None = None
    schedule: str = "plain"
    partitions: int = 0  # of the delegate
    uncovered: tuple[Uncovered, ...] = ()
    notes: tuple[str, ...] = ()
    breakdown: tuple[StageTime, ...] | None = field(default=None, metadata=_OMIT_NONE)
    breakdown_kinds: tuple[KindTime, ...] | None = field(default=None, metadata=_OMIT_NONE)
    breakdown_kernels: tuple[KernelTime, ...] | None = field(default=None, metadata=_OMIT_NONE)
    figures: tuple[Path, ...] | None = field(default=None, metadata=_OMIT_NONE)


@dataclass(frozen=True, kw_only=True)
class MeasureResult(Result):
    """Median of unprofiled runs with its 95 % interval."""

    latency_ms: float
    low_ms: float
    high_ms: float
    runs: int
    device: str
    threads: int
    lowering: str
    schedule: str = "plain"
    resolution: str | None = None
    canary: float | None = None  # slowest reference round over its first; 1.0 = no drift
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class BestNetwork:
    """One network of the front. `arch` is its YAML file; `miou` is left out where the metric is another one.

    `verified` tells how it was re-measured, in words; `verified_ms` is None where it was not, its provenance
    `measured` or `simulated`.
    """

    arch: Path
    resolution: str
    metric: str
    value: float
    low: float
    high: float
    latency_ms: float
    latency_low_ms: float
    latency_high_ms: float
    macs: int
    params: int
    verified: str
    verified_ms: float | None = None
    verified_low_ms: float | None = None
    verified_high_ms: float | None = None
    verified_provenance: str = ""
    departures: tuple[str, ...] = ()
    miou: float | None = field(default=None, metadata=_OMIT_NONE)


@dataclass(frozen=True, kw_only=True)
class SearchResult(Result):
    """`run` is the run folder, None where nothing was searched. `verified`: all of `best` were re-measured; times of a
    stand-in count for simulated tables only."""

    run: Path | None
    feasible: bool
    best: tuple[BestNetwork, ...]
    verified: bool
    verification: str = ""  # in words, for example `winners re-measured on this machine`
    evaluated: int = 0
    seconds: float = 0.0
    page: Path | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ReportResult(Result):
    files: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Parity:
    """Largest error of a file's outputs against torch on the same input; relative to the largest output."""

    max_abs_error: float
    max_rel_error: float


@dataclass(frozen=True, kw_only=True)
class ExportResult(Result):
    """`files` and `parity` by format. `weights`: the file they came from, or `untrained`."""

    files: Mapping[str, Path]
    parity: Mapping[str, Parity]
    weights: str
    resolution: str
    converter: str
    schedule: str
    notes: tuple[str, ...] = ()
