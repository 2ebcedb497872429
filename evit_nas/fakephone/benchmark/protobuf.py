"""A profile as tflite.profiling.BenchmarkProfilingData (tensorflow/lite/profiling/proto/profiling_info.proto)."""

from __future__ import annotations

import struct

from evit_nas.fakephone.benchmark.statistics import Profile, Row, Stat

_INIT_FIELD, _RUNS_FIELD = 2, 3


def proto_bytes(initialization: Profile, runs: Profile) -> bytes:
    """The message that `--op_profiling_output_mode=proto` writes."""
    return _message(_INIT_FIELD, _model(initialization)) + _message(_RUNS_FIELD, _model(runs))


def _model(profile: Profile) -> bytes:
    rows = b"".join(_message(3, _row(profile, row, i)) for i, row in enumerate(profile.run_order()))
    return _message(1, _message(1, b"main") + _integer(2, 0) + rows)


def _row(profile: Profile, row: Row, order: int) -> bytes:
    memory = Stat([int(row.memory_kb)] * len(row.time_us.values))
    return (
        _message(1, row.node_type.encode())
        + _message(2, _stat(row.time_us))
        + _message(3, _stat(memory))
        + _integer(4, profile.times_called(row))
        + _message(5, row.name.encode())
        + _integer(6, order)
    )


def _stat(stat: Stat) -> bytes:
    values, deviation = stat.values, stat.deviation
    return (
        _integer(1, values[0])
        + _integer(2, values[-1])
        + _integer(3, int(stat.mean))
        + _float(4, float(int(deviation)))
        + _float(5, deviation**2)
        + _integer(6, min(values))
        + _integer(7, max(values))
        + _integer(8, stat.total)
        + _integer(9, len(values))
    )


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _integer(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _float(number: int, value: float) -> bytes:
    return _varint(number << 3 | 5) + struct.pack("<f", value)


def _message(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content
