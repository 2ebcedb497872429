"""Any .tflite -> OpGraph: our own files, litert-torch's and TFLiteConverter's.

The main subgraph is the one of the signature `serving_default`, else the first. Constants are views of the file,
but for float16 weights, which come as the float32 that the runtime makes of them.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as fb

from evit_nas.errors import InputError
from evit_nas.graph.opgraph import DTYPE_BYTES, Attrs, Op, OpGraph, Tensor
from evit_nas.seal import check_seal
from evit_nas.tflite.batch import with_batch_of_one
from evit_nas.tflite.flatbuffer import BadFlatbuffer, Flatbuffer, Table
from evit_nas.tflite.runtime_types import load_model
from evit_nas.tflite.schema import (
    BUILTIN_NAME,
    CUSTOM_OPTIONS,
    CUSTOM_PREFIX,
    DTYPE_NAME,
    FILE_IDENTIFIER,
    OPTIONS2_NAME,
    OPTIONS_NAME,
    decode_attr,
    table_fields,
)
from evit_nas.tflite.writer import SIGNATURE

_LARGEST_SIDE = 1 << 31
_DAMAGE = (
    BadFlatbuffer,
    struct.error,
    IndexError,
    ValueError,
    TypeError,
    AttributeError,
    OverflowError,
    MemoryError,
    RecursionError,
)


def read(source: bytes | Path) -> OpGraph:
    """The graph of a .tflite file.

    An open batch (-1) is read as one. Raises InputError: no .tflite, damaged, a dtype that is not handled, an input of
    dynamic height, width or channels, or an export of this tool that was changed afterwards.
    """
    name, content = load_model(source)
    if content[4:8] != FILE_IDENTIFIER:
        raise InputError(f"{name}: not a .tflite file (no {FILE_IDENTIFIER.decode()!r} at byte 4)")
    check_seal(content, name)
    try:
        return _Reader(name, with_batch_of_one(content)).graph()
    except _DAMAGE as error:
        raise InputError(f"{name}: a damaged .tflite file ({error})") from None


@dataclass(frozen=True, slots=True)
class _TensorRow:
    """A tensor as the file has it; `data` is where its constant lies, None for none."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    data: tuple[int, int] | None
    quantized: bool


class _Reader:
    """One file being read."""

    def __init__(self, source: str, content: bytes) -> None:
        self._source = source
        self._file = Flatbuffer(content)
        model = self._file.root()
        self._buffers = [self._extent(table) for table in model.tables(4)]
        self._kinds = [self._kind(table) for table in model.tables(1)]
        self._metadata = dict(self._entries(model))
        subgraphs = list(model.tables(2))
        main = self._main_index(model)
        if main >= len(subgraphs):
            raise BadFlatbuffer(f"it has no subgraph {main}")
        self._subgraph = subgraphs[main]

    def graph(self) -> OpGraph:
        """The main subgraph."""
        rows = self._rows()
        names = [row.name for row in rows]
        inputs = _pick(names, self._subgraph.ints(1))
        outputs = _pick(names, self._subgraph.ints(2))
        ops = tuple(self._operator(table, names) for table in self._subgraph.tables(3))
        produced = {name for op in ops for name in op.outputs} | set(inputs)
        tensors = {row.name: self._tensor(row, row.name in produced) for row in rows}
        return _unpacked(OpGraph(tensors, ops, inputs, outputs, self._metadata))

    def _main_index(self, model: Table) -> int:
        signatures = {table.text(2): table.uint(4, 4) for table in model.tables(7)}
        return signatures.get(SIGNATURE, next(iter(signatures.values()), 0))

    def _kind(self, table: Table) -> str:
        """Old files have the code in a byte, which stops at 127; the code is the larger of the two."""
        code = max(table.uint(0, 1), table.uint(3, 4))
        kind = BUILTIN_NAME.get(code)
        if kind is None:
            raise InputError(f"{self._source}: operator code {code} is not known to this runtime")
        return CUSTOM_PREFIX + table.text(1) if kind == "CUSTOM" else kind

    def _extent(self, table: Table) -> tuple[int, int]:
        """Where the buffer's bytes lie and how many: in the table, or behind the flatbuffer (files over 2 GB)."""
        start, size = table.vector(0, 1)
        offset = table.uint(1, 8)
        if size or offset <= 1:
            return start, size
        size = table.uint(2, 8)
        if offset + size > len(self._file.content):
            raise BadFlatbuffer(f"a buffer of {size} bytes at byte {offset} goes beyond its end")
        return offset, size

    def _entries(self, model: Table) -> list[tuple[str, str]]:
        """Metadata entries that are text; binary ones belong to other tools and are left out."""
        entries = []
        for table in model.tables(6):
            index = table.uint(1, 4)
            start, size = self._buffers[index]
            self._file.spend(size)
            try:
                entries.append((table.text(0), self._file.span(start, size).decode("utf-8")))
            except UnicodeDecodeError:
                continue
        return entries

    # --- tensors

    def _rows(self) -> list[_TensorRow]:
        inputs = set(self._subgraph.ints(1))
        seen: set[str] = set()
        rows = []
        for i, table in enumerate(self._subgraph.tables(0)):
            name = table.text(3)
            if not name or name in seen:
                name = f"{name}#{i}"
            seen.add(name)
            if i in inputs and any(side < 0 for side in table.ints(7)):
                raise InputError(
                    f"{self._source}: input {name!r} has a dynamic shape {list(table.ints(7))}; "
                    "convert the model with a fixed one"
                )
            rows.append(self._row(table, name))
        return rows

    def _row(self, table: Table, name: str) -> _TensorRow:
        shape, code = table.ints(0), table.uint(1, 1)
        if code not in DTYPE_NAME:
            raise InputError(
                f"{self._source}: tensor {name!r} has dtype code {code}; handled: {', '.join(DTYPE_BYTES)}"
            )
        if any(side < 0 for side in shape) or prod(shape) >= _LARGEST_SIDE:
            raise BadFlatbuffer(f"tensor {name!r} has the shape {list(shape)}")
        index = table.uint(2, 4)
        start, size = self._buffers[index] if index < len(self._buffers) else (0, 0)
        quantization = table.table(4)
        quantized = quantization is not None and quantization.vector(2, 4)[1] > 0
        return _TensorRow(name, shape, DTYPE_NAME[code], (start, size) if size else None, quantized)

    def _tensor(self, row: _TensorRow, produced: bool) -> Tensor:
        """A constant has bytes, or is empty and comes from nowhere."""
        empty = prod(row.shape) == 0 and not produced
        if row.data is None and not empty:
            return Tensor(row.name, row.shape, row.dtype, quantized=row.quantized)
        start, size = row.data or (0, 0)
        if size != prod(row.shape) * DTYPE_BYTES[row.dtype]:
            raise BadFlatbuffer(f"constant {row.name!r}: {size} bytes for {row.dtype}{list(row.shape)}")
        dtype = np.dtype(row.dtype)
        data = np.frombuffer(self._file.content, dtype, prod(row.shape), start).reshape(row.shape)
        return Tensor(row.name, row.shape, row.dtype, data, quantized=row.quantized)

    # --- operators

    def _operator(self, table: Table, names: Sequence[str]) -> Op:
        kind = self._kinds[table.uint(0, 4)]
        attrs = self._custom_options(table) if kind.startswith(CUSTOM_PREFIX) else self._options(table)
        return Op(kind, _pick(names, table.ints(1), optional=True), _pick(names, table.ints(2)), attrs)

    def _custom_options(self, table: Table) -> Attrs:
        values = table.array(5, "u1")
        self._file.spend(len(values))
        return ((CUSTOM_OPTIONS, tuple(values.tolist())),) if len(values) else ()

    def _options(self, table: Table) -> Attrs:
        """Every field of the operator's option table, sorted by name."""
        for kind, place, tables in ((3, 4, OPTIONS_NAME), (11, 12, OPTIONS2_NAME)):
            target = table.target(place)
            code = table.uint(kind, 1)
            if code and target:
                if code not in tables:
                    raise BadFlatbuffer(f"an operator has an option table of type {code}, which does not exist")
                return self._fields(tables[code], target)
        return ()

    def _fields(self, name: str, position: int) -> Attrs:
        Table(self._file, position)  # checks the bounds of what the generated class is about to read
        self._file.spend(_OPTIONS_WORK)
        options = getattr(fb, name + "T").InitFromBuf(self._file.content, position)
        decoded = ((attr, decode_attr(attr, getattr(options, field))) for attr, field in table_fields(name).items())
        return tuple(sorted((attr, value) for attr, value in decoded if value is not None))


_OPTIONS_WORK = 32


def _unpacked(graph: OpGraph) -> OpGraph:
    """Weights kept as float16 in their float32 form, without the DEQUANTIZE: the runtime does that when it loads."""
    unpacked = {
        op.outputs[0]: replace(graph.tensors[op.outputs[0]], data=data.astype(np.float32))
        for op in graph.ops
        if op.kind == "DEQUANTIZE"
        and (data := graph.tensors[op.inputs[0]].data) is not None
        and data.dtype == np.float16
        and op.outputs[0] not in graph.outputs
    }
    if not unpacked:
        return graph
    ops = tuple(op for op in graph.ops if not (op.kind == "DEQUANTIZE" and op.outputs[0] in unpacked))
    read = {name for op in ops for name in op.inputs} | {*graph.inputs, *graph.outputs}
    dropped = {name for op in graph.ops if op.kind == "DEQUANTIZE" for name in op.inputs} - read
    tensors = {name: tensor for name, tensor in {**graph.tensors, **unpacked}.items() if name not in dropped}
    return replace(graph, tensors=tensors, ops=ops)


def _pick(names: Sequence[str], indices: Sequence[int], optional: bool = False) -> tuple[str, ...]:
    """Names at `indices`; -1 is an absent input where `optional`."""
    if any(index >= len(names) or index < (-1 if optional else 0) for index in indices):
        raise BadFlatbuffer("an operator names a tensor that does not exist")
    return tuple(names[index] if index >= 0 else "" for index in indices)
