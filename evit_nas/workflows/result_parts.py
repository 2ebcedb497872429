"""Parts of a prediction's result: where its time goes, and what no table covers. Their fields are keys of the JSON."""

from __future__ import annotations

from dataclasses import dataclass, field

OMIT_NONE = {"omit_none": True}  # metadata of a field whose key is left out where it is None


@dataclass(frozen=True, kw_only=True, slots=True)
class StageTime:
    """Predicted milliseconds of one block and its share of the whole."""

    stage: str
    block: str
    latency_ms: float
    share: float
    kernels: int


@dataclass(frozen=True, kw_only=True, slots=True)
class KindTime:
    """Predicted milliseconds of all kernels of one kind."""

    kind: str
    latency_ms: float
    share: float
    kernels: int


@dataclass(frozen=True, kw_only=True, slots=True)
class KernelTime:
    """One kernel in execution order: predicted, and measured where the network was also run.

    `shapes` are its inputs and outputs in words, `window` is a convolution's (`3x3`); `size_bytes` is what it must
    read and write at least.
    """

    stage: str
    block: str
    kind: str
    shapes: str
    latency_ms: float
    share: float
    macs: int
    size_bytes: int
    window: str = ""
    measured_ms: float | None = field(default=None, metadata=OMIT_NONE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Uncovered:
    """Kernels of one kind that no row of the table is near; shares of the network's MACs, bytes and predicted time."""

    kind: str
    count: int
    macs_share: float
    bytes_share: float
    time_share: float
    known: bool  # False: no predictor knows the operator at all, and its cost is a guess
