"""Running a .tflite: outputs, latency of whole runs, per-kernel events.

`Session` uses the LiteRT C API; `InterpreterSession` is the plain Python interpreter with the same face and no events.
Nothing of a timed run is Python but the call itself and two clock reads.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from ctypes import byref, c_char_p, c_int, c_size_t, c_void_p
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from evit_nas.errors import InputError, RuntimeUnavailable
from evit_nas.tflite import capi
from evit_nas.tflite.batch import with_batch_of_one
from evit_nas.tflite.capi import Handle, runtime_hash, runtime_version
from evit_nas.tflite.runtime_interpreter import InterpreterSession, delegate_partitions
from evit_nas.tflite.runtime_types import (
    AnySession,
    Array,
    KernelEvent,
    Port,
    check_inputs,
    load_model,
    timing_inputs,
)

__all__ = [
    "AnySession",
    "InterpreterSession",
    "KernelEvent",
    "Port",
    "Session",
    "delegate_partitions",
    "open_session",
    "runtime_hash",
    "runtime_version",
]


def open_session(model: bytes | Path, *, threads: int = 1, profile: bool = False) -> AnySession:
    """A `Session`, or the interpreter where the C API is not to be had and no events are asked for."""
    try:
        return Session(model, threads=threads, profile=profile)
    except RuntimeUnavailable:
        if profile:
            raise
        return InterpreterSession(model, threads=threads)


class Session:
    """A model compiled for the CPU. Use as a context manager, or call `close`: nothing is freed before that.

    It is run once when it is opened. Raises RuntimeUnavailable where the wheel lacks the C API, InputError where the
    runtime refuses the model. A model that crashes the runtime takes the process with it: see `runtime_isolated`.
    """

    def __init__(self, model: bytes | Path, *, threads: int = 1, profile: bool = False) -> None:
        self._source, content = load_model(model)
        self._content = with_batch_of_one(content)
        self._lib, self._environment = capi.library(), capi.environment()
        self._model, self._options, self._compiled, self._profiler = Handle(), Handle(), Handle(), Handle()
        self._buffers: list[Handle] = []
        self._keep: list[ctypes.Array[ctypes.c_char]] = []
        try:
            self._compile(threads, profile)
            self.inputs, self._input_array = self._ports("Input")
            self.outputs, self._output_array = self._ports("Output")
            self._fill_inputs(timing_inputs(self.inputs))
            self._first_run()
        except BaseException:
            self.close()
            raise

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Outputs for `inputs`, both in the model's order. Raises InputError on another shape or dtype."""
        check_inputs(self._source, self.inputs, inputs)
        self._fill_inputs(inputs)
        self._run_once()
        outputs = [np.empty(port.shape, port.dtype) for port in self.outputs]
        for buffer, array in zip(self._output_array, outputs, strict=True):
            self._copy(buffer, array, capi.LOCK_READ)
        return outputs

    def time_us(self, runs: int, warmup: int = 3) -> NDArray[np.float64]:
        """Latency of each of `runs` runs in microseconds, shape (runs,). A session with `profile=True` is slower."""
        arguments = self._run_arguments()
        run, clock = self._lib.LiteRtRunCompiledModel, time.perf_counter_ns
        for _ in range(warmup):
            self._check("LiteRtRunCompiledModel", run(*arguments))
        stamps = np.empty((runs, 2), np.int64)
        status = 0
        for stamp in stamps:
            start = clock()
            status |= run(*arguments)
            stamp[1] = clock()
            stamp[0] = start
        self._check("LiteRtRunCompiledModel", status)
        return (stamps[:, 1] - stamps[:, 0]) / 1e3

    def profile(self, runs: int, warmup: int = 3) -> tuple[KernelEvent, ...]:
        """Every kernel in execution order with its times over `runs` runs. Needs `profile=True`."""
        if not self._profiler:
            raise RuntimeUnavailable("no kernel events: the session was opened without profile=True")
        for _ in range(warmup):
            self._run_once()
        first = self._profile_once()
        samples = np.empty((runs, len(first)))
        for row in samples:
            events = self._profile_once()
            if [event[:3] for event in events] != [event[:3] for event in first]:
                raise RuntimeUnavailable(f"{self._source}: kernel events differ from run to run")
            row[:] = [event[3] for event in events]
        return tuple(
            KernelEvent(name, "builtin" if kind == capi.EVENT_BUILTIN else "delegate", index, samples[:, i])
            for i, (name, kind, index, _) in enumerate(first)
        )

    def close(self) -> None:
        """Free everything that the session holds. Calling it twice is harmless."""
        with capi.captured_log():
            for buffer in self._buffers:
                self._lib.LiteRtDestroyTensorBuffer(buffer)
            self._buffers.clear()
            for name, handle in (("CompiledModel", self._compiled), ("Options", self._options), ("Model", self._model)):
                if handle:
                    getattr(self._lib, f"LiteRtDestroy{name}")(handle)
                    handle.value = None
            self._profiler = Handle()
        self._keep.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _compile(self, threads: int, profile: bool) -> None:
        lib = self._lib
        with capi.captured_log() as log:
            address = ctypes.cast(c_char_p(self._content), c_void_p)
            status = lib.LiteRtCreateModelFromBuffer(self._environment, address, len(self._content), byref(self._model))
            self._check_model(status, "load", log)
            self._call("LiteRtCreateOptions", byref(self._options))
            self._call("LiteRtSetOptionsHardwareAccelerators", self._options, capi.CPU_ACCELERATOR)
            self._add_options("xnnpack", f"num_threads = {threads}\n")
            if profile:
                self._add_options("runtime_options_string", "enable_profiling = true\n")
            status = lib.LiteRtCreateCompiledModel(self._environment, self._model, self._options, byref(self._compiled))
            if status:
                raise InputError(
                    f"{self._source}: LiteRT cannot prepare the model (status {status}) {log.text()}".strip()
                )
        if profile:
            self._call("LiteRtCompiledModelGetProfiler", self._compiled, byref(self._profiler))

    def _check_model(self, status: int, verb: str, log: capi.Log) -> None:
        if status:
            reason = log.text() or f"status {status}"
            raise InputError(f"{self._source}: LiteRT cannot {verb} the model: {reason}")

    def _add_options(self, identifier: str, toml: str) -> None:
        """Options are TOML text under an identifier; the library keeps the pointer, so the text is kept here."""
        text, name = ctypes.create_string_buffer(toml.encode()), ctypes.create_string_buffer(identifier.encode())
        self._keep += [text, name]
        options = Handle()
        self._call("LiteRtCreateOpaqueOptions", name, ctypes.cast(text, c_void_p), _NO_DELETER, byref(options))
        self._call("LiteRtAddOpaqueOptions", self._options, options)

    def _ports(self, side: str) -> tuple[tuple[Port, ...], ctypes.Array[Handle]]:
        """Names and types of one side and a tensor buffer for each."""
        signature, count = Handle(), c_size_t()
        self._call("LiteRtGetModelSignature", self._model, 0, byref(signature))
        self._call(f"LiteRtGetNumSignature{side}s", signature, byref(count))
        ports, handles = [], (Handle * count.value)()
        for i in range(count.value):
            name, tensor, kind, requirements, buffer = c_char_p(), Handle(), capi.RankedTensorType(), Handle(), Handle()
            self._call(f"LiteRtGetSignature{side}Name", signature, i, byref(name))
            self._call(f"LiteRtGetSignature{side}TensorByIndex", signature, i, byref(tensor))
            self._call("LiteRtGetRankedTensorType", tensor, byref(kind))
            port = self._port((name.value or b"").decode(errors="replace"), kind)
            self._call(f"LiteRtGetCompiledModel{side}BufferRequirements", self._compiled, 0, i, byref(requirements))
            create = "LiteRtCreateManagedTensorBufferFromRequirements"
            self._call(create, self._environment, byref(kind), requirements, byref(buffer))
            self._buffers.append(buffer)
            ports.append(port)
            handles[i] = buffer.value
        return tuple(ports), handles

    def _port(self, name: str, kind: capi.RankedTensorType) -> Port:
        shape = kind.layout.shape
        if kind.element not in capi.ELEMENT_DTYPE or any(side < 0 for side in shape):
            raise InputError(f"{self._source}: tensor {name!r} has no static shape or a dtype that cannot be run")
        return Port(name, shape, capi.ELEMENT_DTYPE[kind.element])

    def _fill_inputs(self, arrays: Sequence[Array]) -> None:
        for buffer, array in zip(self._input_array, arrays, strict=True):
            self._copy(buffer, np.ascontiguousarray(array), capi.LOCK_WRITE)

    def _copy(self, buffer: int | None, array: Array, mode: int) -> None:
        address = c_void_p()
        self._call("LiteRtLockTensorBuffer", buffer, byref(address), mode)
        if mode == capi.LOCK_WRITE:
            ctypes.memmove(address, array.ctypes.data, array.nbytes)
        else:
            ctypes.memmove(array.ctypes.data, address, array.nbytes)
        self._call("LiteRtUnlockTensorBuffer", buffer)

    def _run_arguments(self) -> tuple[Any, ...]:
        inputs, outputs = self._input_array, self._output_array
        return (self._compiled, c_size_t(0), c_size_t(len(inputs)), inputs, c_size_t(len(outputs)), outputs)

    def _first_run(self) -> None:
        """The runtime plans memory and refuses operators only when it first runs."""
        with capi.captured_log() as log:
            status = self._lib.LiteRtRunCompiledModel(*self._run_arguments())
        self._check_model(status, "run", log)

    def _run_once(self) -> None:
        self._call("LiteRtRunCompiledModel", *self._run_arguments())

    def _profile_once(self) -> list[tuple[str, int, int, int]]:
        """(name, event type, index, microseconds) of each kernel of one run."""
        count = c_int()
        self._call("LiteRtResetProfiler", self._profiler)
        self._call("LiteRtStartProfiler", self._profiler)
        self._run_once()
        self._call("LiteRtStopProfiler", self._profiler)
        self._call("LiteRtGetNumProfilerEvents", self._profiler, byref(count))
        events = (capi.ProfilerEvent * count.value)()
        self._call("LiteRtGetProfilerEvents", self._profiler, count.value, events)
        kinds = (capi.EVENT_BUILTIN, capi.EVENT_DELEGATE_KERNEL)
        return [(e.tag.decode(), e.type, e.metadata1, e.elapsed_us) for e in events if e.type in kinds]

    def _call(self, name: str, *arguments: Any) -> None:
        self._check(name, getattr(self._lib, name)(*arguments))

    def _check(self, name: str, status: int) -> None:
        if status:
            raise InputError(f"{self._source}: {name} failed with status {status}")


_NO_DELETER = capi.OPAQUE_DELETER(lambda pointer: None)
