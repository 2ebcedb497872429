"""Weights files as they lie on disk: tensors by name and text entries, read without running anything from the file.

Two formats are known by content, not by name: safetensors, and the zip archive that torch.save writes. A zip is
checked as a zip first (checksums of all records, nothing compressed), so that torch only sees intact records.
"""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_safetensors

from evit_nas.errors import CheckpointError

_ZIP_MAGIC = b"PK\x03\x04"
_VALID = "valid: a file of torch.save holding tensors by name, or a safetensors file"
_DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64)

Raw = tuple[dict[str, torch.Tensor], dict[str, str]]


def read_raw(path: Path) -> Raw:
    """Tensors and text entries of a weights file. Raises CheckpointError for whatever is not one, in one line."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        if magic == _ZIP_MAGIC:
            return _read_zip(path)
        return _read_safetensors(path)
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror or error}; {_VALID}") from None


def _read_safetensors(path: Path) -> Raw:
    try:
        with safe_open(path, framework="pt") as file:
            entries = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, OverflowError) as error:
        raise CheckpointError(f"{path}: not a weights file ({_short(error)}); {_VALID}") from None
    return _checked(tensors, path, path.stat().st_size), dict(entries)


def _read_zip(path: Path) -> Raw:
    _check_archive(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            document = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # the restricted unpickler raises whatever the foreign bytes lead it to
        raise CheckpointError(f"{path}: not plain weights ({_short(error)}); {_VALID}") from None
    entries: Any = {}
    if isinstance(document, Mapping) and "state_dict" in document:
        document, entries = document["state_dict"], document.get("metadata", {})
    if not isinstance(document, Mapping) or not document:
        raise CheckpointError(f"{path}: holds {type(document).__name__}, not tensors by name; {_VALID}")
    texts = entries if isinstance(entries, Mapping) else {}
    texts = {name: text for name, text in texts.items() if isinstance(name, str) and isinstance(text, str)}
    return _checked(document, path, path.stat().st_size), texts


def _check_archive(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            if any(record.compress_type != zipfile.ZIP_STORED for record in archive.infolist()):
                raise CheckpointError(f"{path}: compressed records, which torch.save never writes; {_VALID}")
            broken = archive.testzip()
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, OverflowError) as error:
        raise CheckpointError(f"{path}: truncated or damaged archive ({_short(error)}); {_VALID}") from None
    if broken is not None:
        raise CheckpointError(f"{path}: damaged: record {broken[:60]!r} does not match its checksum")


def _checked(tensors: Mapping[Any, Any], path: Path, size_bytes: int) -> dict[str, torch.Tensor]:
    """The same tensors, dense and float32 (counters int64). Raises CheckpointError, naming the key."""
    total = 0
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise CheckpointError(f"{path}: {str(name)[:60]!r} is a {type(tensor).__name__}, not a tensor; {_VALID}")
        if tensor.layout is not torch.strided or tensor.device.type != "cpu" or tensor.dtype not in _DTYPES:
            raise CheckpointError(f"{path}: {name!r} is {tensor.dtype} {tensor.layout}; valid: dense floating point")
        total += prod(tensor.shape) * tensor.element_size()
        if total > size_bytes:  # overlapping or zero-stride views: a small file that would fill the memory
            raise CheckpointError(f"{path}: {name!r} {list(tensor.shape)} holds more data than the file")
    return {name: _dense(name, tensor, path) for name, tensor in tensors.items()}


def _dense(name: str, tensor: torch.Tensor, path: Path) -> torch.Tensor:
    if tensor.dtype is torch.int64:
        return tensor.contiguous()
    values = tensor.detach().to(torch.float32).contiguous()
    if not torch.isfinite(values).all():
        raise CheckpointError(f"{path}: {name!r} has values that are not finite; train again or choose another file")
    return values


def safetensors_bytes(tensors: Mapping[str, torch.Tensor], entries: Mapping[str, str]) -> bytes:
    """A safetensors file: no pickle inside."""
    content: bytes = save_safetensors(dict(tensors), metadata=dict(entries))
    return content


def zip_bytes(tensors: Mapping[str, torch.Tensor], entries: Mapping[str, str]) -> bytes:
    """A file that `torch.load(weights_only=True)` reads: tensors under "state_dict", entries under "metadata"."""
    stream = io.BytesIO()
    torch.save({"state_dict": dict(tensors), "metadata": dict(entries)}, stream)
    return stream.getvalue()


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:100] or type(error).__name__
