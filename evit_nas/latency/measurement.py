"""What is measured, on what, and how it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from evit_nas.graph.kernel import KernelSignature
from evit_nas.space.arch import ArchConfig, Resolution

Provenance = Literal["measured", "measured (public)", "transferred", "calibrated", "simulated"]
PROVENANCES: tuple[Provenance, ...] = ("measured", "measured (public)", "transferred", "calibrated", "simulated")


@dataclass(frozen=True, kw_only=True, slots=True)
class Conditions:
    """What a latency depends on beside the signature: one table file holds rows of one set of conditions.

    The file is `<device>/<runtime>-<delegate>-<core>-t<threads>-<dtype>.csv` with its provenance in a .json beside it.
    """

    device: str  # `sm8450`, or a fingerprint `host-xxxxxxxxxxxx`
    runtime: str = "litert"
    delegate: str = "xnnpack"
    core: str = "any"
    threads: int = 1
    dtype: str = "fp32"
    lowering: Literal["ours", "authors"] = "ours"

    @property
    def stem(self) -> str:
        return f"{self.runtime}-{self.delegate}-{self.core}-t{self.threads}-{self.dtype}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """One row of a table: the time of one kernel (or of running a graph at all, kind GRAPH).

    Times are at the speed that the machine had when the table was begun: what was timed, over `canary`.
    """

    signature: KernelSignature
    timings: int  # number of timings behind the median
    median_us: float
    low_us: float  # 95 % interval of the median
    high_us: float
    repeats: int  # copies of the kernel in the model that was timed
    canary: float  # time of the reference model in this round over its first time; 1.0 = no drift
    measured_at: str  # ISO 8601, UTC
    provenance: Provenance = "measured"


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkMeasurement:
    """A whole network timed end to end, without profiling. Kept beside the kernel rows, for the correction.

    Times are over `canary`, as in Measurement.
    """

    arch: ArchConfig
    resolution: Resolution
    latency_ms: float  # median
    low_ms: float  # 95 % interval of the median
    high_ms: float
    runs: int
    canary: float  # as in Measurement
    measured_at: str  # ISO 8601, UTC
    provenance: Provenance = "measured"
