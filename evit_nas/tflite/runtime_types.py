"""What every way of running a .tflite has in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from evit_nas.errors import InputError

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a model."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class KernelEvent:
    """One kernel of a run in execution order, never merged with another: its name, who ran it, its times.

    `kind` is `delegate` for a kernel inside XNNPACK, `builtin` for a TFLite operator outside. `index` is the
    kernel's number inside its delegate partition, or the node's index. `samples_us` are whole microseconds, one a run;
    `averaged`: not so, but values of the mean and spread that the profiler keeps, already freed of rounding.
    """

    name: str
    kind: Literal["delegate", "builtin"]
    index: int
    samples_us: NDArray[np.float64]
    averaged: bool = False


class AnySession(Protocol):
    """A model made ready to run."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    def run(self, inputs: Sequence[Array]) -> list[Array]: ...

    def time_us(self, runs: int, warmup: int = 3) -> NDArray[np.float64]: ...

    def profile(self, runs: int, warmup: int = 3) -> tuple[KernelEvent, ...]: ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


def load_model(model: bytes | Path) -> tuple[str, bytes]:
    """What to call the model in messages, and its bytes. Raises InputError where the file cannot be read."""
    if isinstance(model, bytes):
        return "model", model
    try:
        return str(model), model.read_bytes()
    except OSError as error:
        raise InputError(f"{model}: {error.strerror or error}") from None


def check_inputs(source: str, ports: Sequence[Port], arrays: Sequence[Array]) -> None:
    """Raise InputError unless there is one array of the right shape and dtype for each input."""
    if len(arrays) != len(ports):
        raise InputError(f"{source}: {len(ports)} inputs, got {len(arrays)}")
    for port, array in zip(ports, arrays, strict=True):
        if array.shape != port.shape or array.dtype.name != port.dtype:
            raise InputError(
                f"{source}: input {port.name!r} is {port.dtype}{list(port.shape)}, got {array.dtype}{list(array.shape)}"
            )


def timing_inputs(ports: Sequence[Port]) -> list[Array]:
    """Seeded values in [-1, 1) for timing: fresh memory may hold denormals or NaN, which would change the times."""
    generator = np.random.default_rng(0)
    return [generator.uniform(-1.0, 1.0, port.shape).astype(port.dtype) for port in ports]
