"""The plain Python interpreter: the fallback where the wheel lacks the C API, and a second opinion in tests."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from evit_nas.errors import InputError, RuntimeUnavailable
from evit_nas.tflite.capi import captured_log
from evit_nas.tflite.runtime_types import Array, KernelEvent, Port, check_inputs, load_model, timing_inputs


class InterpreterSession:
    """A model in the Python interpreter. `delegate=False` leaves XNNPACK out. Raises InputError on a refused model."""

    def __init__(self, model: bytes | Path, *, threads: int = 1, delegate: bool = True) -> None:
        self._source, content = load_model(model)
        kind = OpResolverType.BUILTIN if delegate else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        with captured_log():
            try:
                self._interpreter: Any = Interpreter(
                    model_content=content, num_threads=threads, experimental_op_resolver_type=kind
                )
                self._interpreter.allocate_tensors()
            except (ValueError, RuntimeError) as error:
                raise InputError(f"{self._source}: LiteRT cannot prepare the model: {_first_line(error)}") from None
        self._input_details = self._interpreter.get_input_details()
        self._output_details = self._interpreter.get_output_details()
        self.inputs = tuple(_port(detail) for detail in self._input_details)
        self.outputs = tuple(_port(detail) for detail in self._output_details)
        self._set(timing_inputs(self.inputs))

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Outputs for `inputs`, in the model's order. Raises InputError on another shape or dtype."""
        check_inputs(self._source, self.inputs, inputs)
        self._set(inputs)
        self._invoke()
        return [self._interpreter.get_tensor(detail["index"]) for detail in self._output_details]

    def time_us(self, runs: int, warmup: int = 3) -> NDArray[np.float64]:
        """Latency of each of `runs` runs in microseconds, shape (runs,)."""
        for _ in range(warmup):
            self._invoke()
        times = np.empty(runs)
        for i in range(runs):
            start = time.perf_counter_ns()
            self._invoke()
            times[i] = (time.perf_counter_ns() - start) / 1e3
        return times

    def profile(self, runs: int, warmup: int = 3) -> tuple[KernelEvent, ...]:
        """Not to be had here: raises RuntimeUnavailable."""
        raise RuntimeUnavailable("the Python interpreter gives no kernel events; they need the LiteRT C API")

    def delegate_partitions(self) -> int:
        """Number of XNNPACK partitions that the model was cut into."""
        return sum(op["op_name"] == "DELEGATE" for op in self._interpreter._get_ops_details())

    def close(self) -> None:
        """Free the model."""
        self._interpreter = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _set(self, arrays: Sequence[Array]) -> None:
        for detail, array in zip(self._input_details, arrays, strict=True):
            self._interpreter.set_tensor(detail["index"], array)

    def _invoke(self) -> None:
        try:
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise InputError(f"{self._source}: a run failed: {_first_line(error)}") from None


def delegate_partitions(model: bytes | Path) -> int:
    """Number of XNNPACK partitions of a model; 1 means that no operator runs outside of the delegate's one graph."""
    with InterpreterSession(model) as session:
        return session.delegate_partitions()


def _port(detail: dict[str, Any]) -> Port:
    return Port(detail["name"], tuple(int(side) for side in detail["shape"]), np.dtype(detail["dtype"]).name)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
