"""ctypes bindings of the LiteRT C API in the stock `ai-edge-litert` wheel (libLiteRt.so), profiler included.

Struct layouts are those of litert/c/litert_model_types.h and litert_profiler_event.h of LiteRT 2.3 (the headers assert
the sizes: Layout 68 bytes, RankedTensorType 72). `runtime.py` owns all lifetimes.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import importlib.metadata
import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator
from ctypes import POINTER, c_char_p, c_int, c_int32, c_size_t, c_uint, c_uint32, c_uint64, c_void_p
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from evit_nas.errors import RuntimeUnavailable

WHEEL = "ai-edge-litert"
CPU_ACCELERATOR = 1
LOCK_READ, LOCK_WRITE = 0, 1
EVENT_BUILTIN, EVENT_DELEGATE_KERNEL = 2, 8  # tflite::Profiler::EventType
Handle = c_void_p

# LiteRtElementType (as TfLiteType) -> numpy dtype name
ELEMENT_DTYPE = MappingProxyType(
    {1: "float32", 2: "int32", 3: "uint8", 4: "int64", 6: "bool", 7: "int16", 9: "int8", 10: "float16", 11: "float64"}
)


class Layout(ctypes.Structure):
    """Rank in the low 7 bits of the first word, then dimensions and strides."""

    _fields_ = (("rank_and_flags", c_uint), ("dims", c_int32 * 8), ("strides", c_uint32 * 8))

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.dims[: self.rank_and_flags & 127])


class RankedTensorType(ctypes.Structure):
    _fields_ = (("element", c_int), ("layout", Layout))


class _MemoryUsage(ctypes.Structure):
    _fields_ = (("peak", c_size_t), ("total", c_size_t), ("in_use", c_size_t))


class ProfilerEvent(ctypes.Structure):
    """One event: `tag` is the kernel's name, `metadata1` its index, `elapsed_us` whole microseconds."""

    _fields_ = (
        ("tag", c_char_p),
        ("type", c_int),
        ("start_us", c_uint64),
        ("elapsed_us", c_uint64),
        ("begin_memory", _MemoryUsage),
        ("end_memory", _MemoryUsage),
        ("metadata1", c_uint64),
        ("metadata2", c_uint64),
        ("source", c_int),
    )


OPAQUE_DELETER = ctypes.CFUNCTYPE(None, c_void_p)

_OUT = POINTER(Handle)
# function -> argument types; all return a LiteRtStatus unless they are in _DESTROY
_SIGNATURES: dict[str, tuple[Any, ...]] = {
    "LiteRtCreateEnvironment": (c_int, c_void_p, _OUT),
    "LiteRtCreateModelFromBuffer": (Handle, c_void_p, c_size_t, _OUT),
    "LiteRtGetNumModelSignatures": (Handle, POINTER(c_size_t)),
    "LiteRtGetModelSignature": (Handle, c_size_t, _OUT),
    "LiteRtGetNumSignatureInputs": (Handle, POINTER(c_size_t)),
    "LiteRtGetNumSignatureOutputs": (Handle, POINTER(c_size_t)),
    "LiteRtGetSignatureInputName": (Handle, c_size_t, POINTER(c_char_p)),
    "LiteRtGetSignatureOutputName": (Handle, c_size_t, POINTER(c_char_p)),
    "LiteRtGetSignatureInputTensorByIndex": (Handle, c_size_t, _OUT),
    "LiteRtGetSignatureOutputTensorByIndex": (Handle, c_size_t, _OUT),
    "LiteRtGetRankedTensorType": (Handle, POINTER(RankedTensorType)),
    "LiteRtCreateOptions": (_OUT,),
    "LiteRtSetOptionsHardwareAccelerators": (Handle, c_int),
    "LiteRtCreateOpaqueOptions": (c_char_p, c_void_p, OPAQUE_DELETER, _OUT),
    "LiteRtAddOpaqueOptions": (Handle, Handle),
    "LiteRtCreateCompiledModel": (Handle, Handle, Handle, _OUT),
    "LiteRtGetCompiledModelInputBufferRequirements": (Handle, c_size_t, c_size_t, _OUT),
    "LiteRtGetCompiledModelOutputBufferRequirements": (Handle, c_size_t, c_size_t, _OUT),
    "LiteRtCreateManagedTensorBufferFromRequirements": (Handle, POINTER(RankedTensorType), Handle, _OUT),
    "LiteRtLockTensorBuffer": (Handle, POINTER(c_void_p), c_int),
    "LiteRtUnlockTensorBuffer": (Handle,),
    "LiteRtRunCompiledModel": (Handle, c_size_t, c_size_t, POINTER(Handle), c_size_t, POINTER(Handle)),
    "LiteRtCompiledModelGetProfiler": (Handle, _OUT),
    "LiteRtStartProfiler": (Handle,),
    "LiteRtStopProfiler": (Handle,),
    "LiteRtResetProfiler": (Handle,),
    "LiteRtGetNumProfilerEvents": (Handle, POINTER(c_int)),
    "LiteRtGetProfilerEvents": (Handle, c_int, POINTER(ProfilerEvent)),
}
_DESTROY = (
    "LiteRtDestroyTensorBuffer",
    "LiteRtDestroyCompiledModel",
    "LiteRtDestroyOptions",
    "LiteRtDestroyModel",
)


@cache
def library_path() -> Path:
    """libLiteRt.so of the installed wheel. Raises RuntimeUnavailable."""
    spec = importlib.util.find_spec("ai_edge_litert")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for folder in folders:
        for name in ("libLiteRt.so", "libLiteRt.dylib", "libLiteRt.dll"):
            if (path := Path(folder) / name).is_file():
                return path
    raise RuntimeUnavailable(f"no libLiteRt in {WHEEL} {runtime_version()}: reinstall it (pip install {WHEEL})")


@cache
def runtime_version() -> str:
    """Version of the installed wheel."""
    try:
        return importlib.metadata.version(WHEEL)
    except importlib.metadata.PackageNotFoundError:
        raise RuntimeUnavailable(f"{WHEEL} is not installed (pip install {WHEEL})") from None


@cache
def runtime_hash() -> str:
    """SHA-256 of the runtime library, part of a latency's conditions."""
    with library_path().open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def library() -> ctypes.CDLL:
    """The loaded library with every function typed. Raises RuntimeUnavailable that names a missing symbol."""
    try:
        lib = ctypes.CDLL(str(library_path()))
    except OSError as error:
        raise RuntimeUnavailable(f"cannot load {library_path()}: {error}") from None
    for name, arguments in _SIGNATURES.items():
        function = _symbol(lib, name)
        function.argtypes, function.restype = arguments, c_int
    for name in _DESTROY:
        function = _symbol(lib, name)
        function.argtypes, function.restype = (Handle,), None
    return lib


def _symbol(lib: ctypes.CDLL, name: str) -> ctypes._NamedFuncPointer:
    try:
        return getattr(lib, name)  # type: ignore[no-any-return]
    except AttributeError:
        raise RuntimeUnavailable(
            f"{WHEEL} {runtime_version()} does not export {name}; this tool is made for {WHEEL} 2.3"
        ) from None


@cache
def environment() -> Handle:
    """The process's LiteRT environment: made once, since making one looks for accelerators. It lives until exit."""
    handle = Handle()
    with captured_log() as log:
        status = library().LiteRtCreateEnvironment(0, None, ctypes.byref(handle))
    if status:
        raise RuntimeUnavailable(f"LiteRtCreateEnvironment failed with status {status}: {log.text()}")
    return handle


class Log:
    """What the C++ side printed while it was captured."""

    def __init__(self, file: int) -> None:
        self._file = file

    def text(self) -> str:
        """The first line that reports an error, which names the cause, or an empty string."""
        os.lseek(self._file, 0, os.SEEK_SET)
        lines = os.read(self._file, 1 << 20).decode(errors="replace").splitlines()
        errors = [line.split("ERROR: ", 1)[1].strip() for line in lines if "ERROR: " in line]
        return errors[0] if errors else ""


@cache
def _log_file() -> int:
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


@contextlib.contextmanager
def captured_log() -> Iterator[Log]:
    """Keep the runtime's log off stderr: it logs to descriptor 2 and exports no function to make it quiet."""
    file = _log_file()
    os.ftruncate(file, 0)
    os.lseek(file, 0, os.SEEK_SET)
    if sys.stderr is not None:
        sys.stderr.flush()
    saved = os.dup(2)
    os.dup2(file, 2)
    try:
        yield Log(file)
    finally:
        os.dup2(saved, 2)
        os.close(saved)
