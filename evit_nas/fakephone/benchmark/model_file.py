"""A .tflite file as the fake phone reads it: shapes, operators and the integers that shape the work."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from ai_edge_litert import schema_py_generated as schema

_BUILTIN_NAMES = {value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
_FLOAT32, _INT32 = schema.TensorType.FLOAT32, schema.TensorType.INT32
_SMALL_BYTES = 4096


class BadModel(Exception):
    """Bytes that are no model."""


@dataclass(frozen=True, slots=True)
class FileTensor:
    """`integers`: the values of a small constant int32 tensor, else empty."""

    name: str
    shape: tuple[int, ...]
    is_float32: bool
    constant: bool
    integers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FileOperator:
    """`options`: the fields of its option table, by their names in the schema."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FileModel:
    """The first subgraph. Inputs, outputs and operands are indices of `tensors`; -1 is an absent operand."""

    tensors: tuple[FileTensor, ...]
    operators: tuple[FileOperator, ...]
    outputs: tuple[int, ...]


def read_model(content: bytes) -> FileModel:
    """Raises BadModel."""
    if content[4:8] != b"TFL3":
        raise BadModel
    try:
        model = schema.ModelT.InitFromPackedBuf(content)
        graph = model.subgraphs[0]
        codes = [_kind(code) for code in model.operatorCodes]
        tensors = tuple(_tensor(tensor, model.buffers, content) for tensor in graph.tensors)
        operators = tuple(_operator(operator, codes) for operator in graph.operators)
        return FileModel(tensors, operators, _indices(graph.outputs))
    except (struct.error, LookupError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise BadModel from error


def _kind(code: Any) -> str:
    return str(_BUILTIN_NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)])


def _indices(values: Any) -> tuple[int, ...]:
    return () if values is None else tuple(int(value) for value in values)


def _tensor(tensor: Any, buffers: Any, content: bytes) -> FileTensor:
    buffer = buffers[tensor.buffer]
    data = bytes(buffer.data) if buffer.data is not None else b""
    if not data and buffer.offset > 1:
        data = content[buffer.offset : buffer.offset + buffer.size]
    small = tensor.type == _INT32 and len(data) <= _SMALL_BYTES
    integers = struct.unpack(f"<{len(data) // 4}i", data[: len(data) // 4 * 4]) if small else ()
    name = (tensor.name or b"").decode("utf-8", errors="replace")
    return FileTensor(name, _indices(tensor.shape), tensor.type == _FLOAT32, bool(data), integers)


def _operator(operator: Any, codes: list[str]) -> FileOperator:
    table = operator.builtinOptions
    options = {} if table is None else dict(vars(table))
    return FileOperator(codes[operator.opcodeIndex], _indices(operator.inputs), _indices(operator.outputs), options)
