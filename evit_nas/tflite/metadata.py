"""Text entries of a finished .tflite that another writer made."""

from __future__ import annotations

from collections.abc import Mapping

import flatbuffers
from ai_edge_litert import schema_py_generated as fb

from evit_nas.tflite.schema import FILE_IDENTIFIER
from evit_nas.tflite.writer import AlignedBuffer


def add_metadata(content: bytes, entries: Mapping[str, str]) -> bytes:
    """The same model with `entries` added to its metadata. `content` comes from a converter, not from outside."""
    model = fb.ModelT.InitFromPackedBuf(content, 0)
    buffers = [_aligned(None if buffer.data is None else bytes(buffer.data)) for buffer in model.buffers]
    model.metadata = list(model.metadata or [])
    for name, text in entries.items():
        entry = fb.MetadataT()
        entry.name, entry.buffer = name, len(buffers)
        model.metadata.append(entry)
        buffers.append(_aligned(text.encode()))
    model.buffers = buffers
    builder = flatbuffers.Builder(len(content) + sum(len(text) + 64 for text in entries.values()) + 4096)
    builder.Finish(model.Pack(builder), FILE_IDENTIFIER)
    return bytes(builder.Output())


def _aligned(data: bytes | None) -> AlignedBuffer:
    buffer = AlignedBuffer()
    buffer.data = data
    return buffer
