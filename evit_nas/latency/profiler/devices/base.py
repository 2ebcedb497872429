"""The seam between measuring and where it happens: models go in as bytes, times come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from evit_nas.latency.measurement import Conditions, Provenance
from evit_nas.tflite.runtime_types import KernelEvent

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceFacts:
    """What a table's provenance says of a device; `provenance` is that of its rows, `serial` a phone's.

    `fresh_process`: each call is a process of its own, whose memory falls elsewhere and whose times differ by that.
    """

    conditions: Conditions
    serial: str = ""
    cpu_model: str = ""
    soc: str = ""
    host_fingerprint: str = ""
    runtime_version: str = ""
    runtime_hash: str = ""
    provenance: Provenance = "measured"
    notes: tuple[str, ...] = ()
    fresh_process: bool = False


class Device(Protocol):
    """Where models are timed, one core set and number of threads at a time.

    Methods raise DeviceError where the device fails, InputError where it refuses the model.
    """

    @property
    def facts(self) -> DeviceFacts: ...

    def profile(self, model: bytes, *, seconds: float, min_runs: int) -> tuple[KernelEvent, ...]:
        """Times of every kernel in execution order, warmed up, over as many runs as fit into `seconds`, at least
        `min_runs`."""
        ...

    def time_us(self, model: bytes, *, seconds: float, min_runs: int) -> Floats:
        """Unprofiled latencies of whole runs, likewise, shape (runs,)."""
        ...

    def disturbance(self) -> str:
        """Why the last call may have been disturbed by other load, "" where nothing speaks for it."""
        ...
