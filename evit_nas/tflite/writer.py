"""OpGraph -> .tflite, directly: no framework, no converter, so that thousands of kernels can be written and timed.

One subgraph, one signature `serving_default`, equal constants stored once, every constant aligned to 16 bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as fb

from evit_nas.errors import InputError, nearest
from evit_nas.graph.opgraph import Op, OpGraph, Tensor
from evit_nas.tflite.schema import (
    BUILTIN_CODE,
    CUSTOM_OPTIONS,
    CUSTOM_PREFIX,
    DTYPE_CODE,
    FILE_IDENTIFIER,
    OPTIONS2_CODE,
    OPTIONS_CODE,
    OPTIONS_TABLE,
    encode_attr,
    table_fields,
)

SIGNATURE = "serving_default"
SCHEMA_VERSION = 3
CONSTANT_ALIGNMENT = 16  # `force_align` of Buffer.data in the schema
_LONGEST_LEGACY_CODE = 127  # operators from here on have their code in `builtin_code` alone


def write(graph: OpGraph) -> bytes:
    """The .tflite file of `graph`. Raises InputError: unknown operator or attribute, a weight that is not data yet."""
    _check_names(graph)
    buffers = _Buffers()
    model = fb.ModelT()
    model.version = SCHEMA_VERSION
    model.description = "evit-nas"
    index = {name: i for i, name in enumerate(graph.tensors)}
    codes: dict[tuple[str, int], int] = {}
    subgraph = fb.SubGraphT()
    subgraph.name = "main"
    subgraph.tensors = [_tensor(tensor, buffers) for tensor in graph.tensors.values()]
    subgraph.inputs = [index[name] for name in graph.inputs]
    subgraph.outputs = [index[name] for name in graph.outputs]
    subgraph.operators = [_operator(op, graph, index, codes) for op in graph.ops]
    model.subgraphs = [subgraph]
    model.operatorCodes = [_operator_code(kind, version) for kind, version in codes]
    model.signatureDefs = [_signature(graph, index)]
    model.metadata = [_metadata(name, text, buffers) for name, text in graph.metadata.items()]
    model.buffers = buffers.tables
    builder = flatbuffers.Builder(buffers.size_bytes + 4096 + 256 * (len(graph.tensors) + len(graph.ops)))
    builder.Finish(model.Pack(builder), FILE_IDENTIFIER)
    return bytes(builder.Output())


class AlignedBuffer(fb.BufferT):  # type: ignore[misc]  # the generated schema is untyped
    """A buffer table whose data is aligned as the schema demands; the generated class aligns to one byte."""

    def Pack(self, builder: flatbuffers.Builder) -> int:  # noqa: N802  (overrides the generated method)
        data = self.data
        if data is not None:
            builder.StartVector(1, len(data), CONSTANT_ALIGNMENT)
            head = builder.head - len(data)
            builder.head = head
            builder.Bytes[head : head + len(data)] = data
            vector = builder.EndVector()
        fb.BufferStart(builder)
        if data is not None:
            fb.BufferAddData(builder, vector)
        return int(fb.BufferEnd(builder))


class _Buffers:
    """The model's buffers, equal contents once. Buffer 0 is the empty one of all activations."""

    def __init__(self) -> None:
        self.tables = [AlignedBuffer()]
        self.size_bytes = 0
        self._index: dict[bytes, int] = {}

    def add(self, content: bytes) -> int:
        if content not in self._index:
            table = AlignedBuffer()
            table.data = content
            self._index[content] = len(self.tables)
            self.tables.append(table)
            self.size_bytes += len(content) + 2 * CONSTANT_ALIGNMENT
        return self._index[content]


def _check_names(graph: OpGraph) -> None:
    used = {name for op in graph.ops for name in (*op.inputs, *op.outputs) if name}
    unknown = (used | {*graph.inputs, *graph.outputs}) - graph.tensors.keys()
    if unknown:
        raise InputError(f"graph names a tensor that it does not hold: {min(unknown)!r}")


def _tensor(tensor: Tensor, buffers: _Buffers) -> fb.TensorT:
    if tensor.dtype not in DTYPE_CODE:
        raise InputError(f"tensor {tensor.name!r}: dtype {tensor.dtype!r}, {nearest(tensor.dtype, DTYPE_CODE)}")
    if tensor.quantized:
        raise InputError(f"tensor {tensor.name!r} is quantised: only float models can be written")
    table = fb.TensorT()
    table.name = tensor.name
    table.shape = list(tensor.shape)
    table.type = DTYPE_CODE[tensor.dtype]
    table.hasRank = True
    table.buffer = 0 if not tensor.constant else buffers.add(_content(tensor))
    return table


def _content(tensor: Tensor) -> bytes:
    data = tensor.data
    if data is None:
        recipe = tensor.param.recipe if tensor.param else "?"
        raise InputError(f"tensor {tensor.name!r} has no data: its weights (recipe {recipe!r}) are not filled in yet")
    if data.dtype.name != tensor.dtype or data.shape != tensor.shape:
        raise InputError(
            f"tensor {tensor.name!r} is {tensor.dtype}{list(tensor.shape)}, its data {data.dtype}{list(data.shape)}"
        )
    return np.ascontiguousarray(data).tobytes()


def _operator(op: Op, graph: OpGraph, index: Mapping[str, int], codes: dict[tuple[str, int], int]) -> fb.OperatorT:
    if op.kind not in BUILTIN_CODE and not op.kind.startswith(CUSTOM_PREFIX):
        raise InputError(f"unknown operator {op.kind!r}: {nearest(op.kind, BUILTIN_CODE)}")
    table = fb.OperatorT()
    table.opcodeIndex = codes.setdefault((op.kind, _version(op, graph)), len(codes))
    table.inputs = [index[name] if name else -1 for name in op.inputs]
    table.outputs = [index[name] for name in op.outputs]
    if op.kind.startswith(CUSTOM_PREFIX):
        table.customOptions = list(op.attr(CUSTOM_OPTIONS, ()))
        return table
    options = OPTIONS_TABLE.get(op.kind)
    if options is None:
        if op.attrs:
            raise InputError(f"operator {op.kind} takes no attributes, got {', '.join(name for name, _ in op.attrs)}")
    elif options in OPTIONS_CODE:
        table.builtinOptionsType, table.builtinOptions = OPTIONS_CODE[options], _options(op, options)
    else:
        table.builtinOptions2Type, table.builtinOptions2 = OPTIONS2_CODE[options], _options(op, options)
    return table


def _options(op: Op, table: str) -> Any:
    fields = table_fields(table)
    options = getattr(fb, table + "T")()
    for name, value in op.attrs:
        if name not in fields:
            raise InputError(f"operator {op.kind} has no attribute {name!r}: {nearest(name, fields)}")
        setattr(options, fields[name], encode_attr(op, name, value))
    return options


def _version(op: Op, graph: OpGraph) -> int:
    """The lowest version of the operator that has what is asked (tensorflow/lite/tools/versioning/op_version.cc)."""
    rank = max((len(graph.tensors[name].shape) for name in op.inputs if name), default=0)
    match op.kind:
        case "RESIZE_BILINEAR" | "RESIZE_NEAREST_NEIGHBOR":
            return 3 if op.attr("half_pixel_centers") else 1
        case "TRANSPOSE_CONV":
            return 4 if op.attr("fused_activation", "NONE") != "NONE" else 3 if len(op.inputs) == 4 else 1
        case "FULLY_CONNECTED":
            return 6 if len(op.inputs) < 3 or not op.inputs[2] else 5 if op.attr("keep_num_dims") else 1
        case "CONV_2D":
            grouped = graph.tensors[op.inputs[1]].shape[-1] != graph.tensors[op.inputs[0]].shape[-1]
            return 6 if grouped else 1
        case "DEPTHWISE_CONV_2D":
            dilated = op.attr("dilation_h_factor", 1) != 1 or op.attr("dilation_w_factor", 1) != 1
            return 2 if dilated else 1
        case "STRIDED_SLICE" | "SLICE" | "TRANSPOSE" | "BROADCAST_TO" if rank > 4:
            return {"STRIDED_SLICE": 4, "SLICE": 5, "TRANSPOSE": 4, "BROADCAST_TO": 2}[op.kind]
        case "BROADCAST_TO":
            return 2
        case _:
            return 1


def _operator_code(kind: str, version: int) -> fb.OperatorCodeT:
    table = fb.OperatorCodeT()
    if kind.startswith(CUSTOM_PREFIX):
        table.customCode = kind.removeprefix(CUSTOM_PREFIX)
        kind = "CUSTOM"
    table.builtinCode = BUILTIN_CODE[kind]
    table.deprecatedBuiltinCode = min(table.builtinCode, _LONGEST_LEGACY_CODE)
    table.version = version
    return table


def _signature(graph: OpGraph, index: Mapping[str, int]) -> fb.SignatureDefT:
    table = fb.SignatureDefT()
    table.signatureKey = SIGNATURE
    table.inputs = [_tensor_map(name, index) for name in graph.inputs]
    table.outputs = [_tensor_map(name, index) for name in graph.outputs]
    return table


def _tensor_map(name: str, index: Mapping[str, int]) -> fb.TensorMapT:
    table = fb.TensorMapT()
    table.name, table.tensorIndex = name, index[name]
    return table


def _metadata(name: str, text: str, buffers: _Buffers) -> fb.MetadataT:
    table = fb.MetadataT()
    table.name, table.buffer = name, buffers.add(text.encode())
    return table
