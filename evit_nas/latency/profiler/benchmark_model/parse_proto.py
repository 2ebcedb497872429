"""`--op_profiling_output_mode=proto`: a serialised tflite.profiling.BenchmarkProfilingData, read by hand.

Fields (tflite/profiling/proto/profiling_info.proto): BenchmarkProfilingData {1 model name, 2 initialisation, 3 timed
runs}; ModelProfilingData {1 per subgraph, 2 delegates}; SubGraphProfilingData {1 name, 2 index, 3 operators};
OperatorProfilingData {1 type, 2 times, 3 memory, 4 times called, 5 name, 6 run order};
times {1 first, 2 last, 3 mean, 4 deviation, 5 variance, 6 minimum, 7 maximum, 8 sum, 9 count}, whole microseconds.
It is the one format with exact sums.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from evit_nas.latency.profiler.benchmark_model.output import (
    OpProfile,
    OpRow,
    UnreadableOutput,
    check_indices,
    op_row,
    require,
)

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_RUNS = 10**7

Field = tuple[int, int | float | bytes]


def parse_proto(data: bytes) -> OpProfile:
    """The operator profile of the timed runs. Raises UnreadableOutput: cut off, damaged, several subgraphs."""
    timed = [value for number, value in _fields(data) if number == 3]
    require(len(timed) == 1, "no profile of timed runs in the proto file, or two")
    parts = list(_fields(_bytes(timed[0])))
    graphs = [_bytes(value) for number, value in parts if number == 1]
    require(len(graphs) == 1, f"profiles of {len(graphs)} subgraphs: rows cannot be told apart")
    delegates = [_bytes(value) for number, value in parts if number == 2]
    outside, inside = _operators(graphs[0], 3), [row for part in delegates for row in _operators(part, 2)]
    if inside:  # builds that list a delegate's operators apart
        outside = [(row, runs) for row, runs in outside if row.kind == "builtin" and "Delegate" not in row.op]
    found = outside + inside
    require(bool(found), "an operator profile without rows")
    require(len({runs for _, runs in found}) == 1, "operators were counted over different numbers of runs")
    check_indices([row for row, _ in found])
    return OpProfile(rows=tuple(row for row, _ in found), runs=found[0][1])


def _operators(graph: bytes, field: int) -> list[tuple[OpRow, int]]:
    return [_operator(_bytes(value)) for number, value in _fields(graph) if number == field]


def _operator(data: bytes) -> tuple[OpRow, int]:
    """A row and the number of runs behind it."""
    fields = _once(data, "operator")
    node_type, name = _text(fields.get(1, b"")), _text(fields.get(5, b""))
    where = f"{name[:60]}: "
    calls = _count(fields.get(4, 0), where)
    times = {number: _times(number, value) for number, value in _once(_bytes(fields.get(2, b"")), name).items()}
    count, total = _count(int(times.get(9, 0)), where), times.get(8, 0.0)
    low, high = times.get(6, 0.0), times.get(7, 0.0)
    mean = total / count
    whole = int(times.get(3, 0.0)) == int(mean)
    inside = all(low <= times.get(number, 0.0) <= high for number in (1, 2)) and low <= mean <= high
    require(whole and inside and count % calls == 0, f"{where}its times contradict each other")
    deviation = times.get(4, 0.0)
    require(0 <= deviation <= 0.71 * (high - low) + 1, f"{where}its deviation is wider than its range")
    return op_row(node_type, name, avg_us=mean, calls=calls, std_us=deviation, where=where), count // calls


def _times(number: int, value: int | float | bytes) -> float:
    require(not isinstance(value, bytes) and 0 <= value < 2**62, f"field {number} of an operator's times is no time")
    return float(value)


def _once(data: bytes, where: str) -> dict[int, int | float | bytes]:
    fields = list(_fields(data))
    require(len({number for number, _ in fields}) == len(fields), f"{where[:60]}: a field is there twice")
    return dict(fields)


def _fields(data: bytes) -> Iterator[Field]:
    """Field numbers and values of a message."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        require(1 <= number <= 100, f"field {number} in the proto file")
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == _BYTES:
            size, at = _varint(data, at)
        elif wire in (_FIXED32, _FIXED64):
            size = 4 if wire == _FIXED32 else 8
        else:
            raise UnreadableOutput(f"wire type {wire} in the proto file")
        require(at + size <= len(data), "the proto file is cut off")
        chunk, at = data[at : at + size], at + size
        if wire == _BYTES:
            yield number, chunk
        else:
            yield number, float(struct.unpack("<f" if wire == _FIXED32 else "<d", chunk)[0])


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(10):
        require(at + place < len(data), "the proto file is cut off")
        byte = data[at + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    raise UnreadableOutput("a number without end in the proto file")


def _bytes(value: int | float | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise UnreadableOutput("a number where the proto file should have a message")
    return value


def _text(value: int | float | bytes) -> str:
    try:
        return _bytes(value).decode("utf-8")
    except UnicodeDecodeError:
        raise UnreadableOutput("a name in the proto file is no text") from None


def _count(value: int | float | bytes, where: str) -> int:
    if not isinstance(value, int) or not 1 <= value <= _MAX_RUNS:
        raise UnreadableOutput(f"{where}a count of {value!r}")
    return value
