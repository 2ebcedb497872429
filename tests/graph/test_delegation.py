"""Which operators the delegate takes, held against the installed runtime one operator at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evit_nas.graph.delegation import is_delegated, partition, same_padding
from evit_nas.graph.opgraph import Op, OpGraph, Tensor
from evit_nas.tflite.match import match_events
from evit_nas.tflite.runtime import Session
from evit_nas.tflite.writer import write

MAP = (1, 4, 4, 8)
Value = tuple[int, ...] | np.ndarray[Any, Any] | None  # shape of an activation, a constant, or an absent input


def ints(*values: int) -> np.ndarray[Any, Any]:
    return np.array(values, np.int32)


def floats(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def single(kind: str, values: list[Value], output: tuple[int, ...], outputs: int = 1, **attrs: Any) -> OpGraph:
    """A graph of one operator; `dtype` and `out_dtype` are those of activations."""
    dtype, out_dtype = attrs.pop("dtype", "float32"), attrs.pop("out_dtype", "float32")
    tensors: dict[str, Tensor] = {}
    for i, value in enumerate(values):
        if isinstance(value, np.ndarray):
            tensors[f"i{i}"] = Tensor(f"i{i}", value.shape, value.dtype.name, value)
        elif value is not None:
            tensors[f"i{i}"] = Tensor(f"i{i}", value, dtype)
    names = tuple(f"o{i}" for i in range(outputs))
    inputs = tuple("" if value is None else f"i{i}" for i, value in enumerate(values))
    fed = tuple(name for name, tensor in tensors.items() if not tensor.constant)
    tensors |= {name: Tensor(name, output, out_dtype) for name in names}
    return OpGraph(tensors, (Op(kind, inputs, names, tuple(sorted(attrs.items()))),), fed, names)


CONV = {"padding": "SAME", "stride_h": 1, "stride_w": 1}
POOL = {"padding": "VALID", "stride_h": 2, "stride_w": 2, "filter_height": 2, "filter_width": 2}
ONE_POOL = {**POOL, "filter_height": 1, "filter_width": 1}
KERNEL, BIAS = floats(8, 3, 3, 8), floats(8)

TAKEN = {
    "add scalar": single("ADD", [MAP, floats()], MAP),
    "add rank 6": single("ADD", [(1, 1, *MAP), (1, 1, *MAP)], (1, 1, *MAP)),
    "add relu": single("ADD", [MAP, MAP], MAP, fused_activation="RELU"),
    "prelu": single("PRELU", [MAP, floats(8)], MAP),
    "scalar relu": single("RELU", [()], ()),
    "conv dilated": single("CONV_2D", [MAP, KERNEL, BIAS], MAP, **CONV, dilation_h_factor=2, dilation_w_factor=2),
    "conv grouped": single("CONV_2D", [MAP, floats(8, 3, 3, 4), BIAS], MAP, **CONV),
    "depthwise 7x7": single("DEPTHWISE_CONV_2D", [MAP, floats(1, 7, 7, 8), BIAS], MAP, **CONV, depth_multiplier=1),
    "dense": single("FULLY_CONNECTED", [(4, 8), floats(3, 8), None], (4, 3), keep_num_dims=True),
    "matmul rank 5": single("BATCH_MATMUL", [(1, 1, 2, 4, 8), (1, 1, 2, 8, 5)], (1, 1, 2, 4, 5)),
    "matmul constant left": single("BATCH_MATMUL", [floats(4, 8), (2, 8, 5)], (2, 4, 5)),
    "sum": single("SUM", [MAP, ints(1, 2)], (1, 1, 1, 8), keep_dims=True),
    "mean": single("MEAN", [MAP, ints(-1)], (1, 4, 4), keep_dims=False),
    "concat 5": single("CONCATENATION", [MAP] * 5, (1, 4, 4, 40), axis=3),
    "split 4": single("SPLIT", [np.array(3, np.int32), MAP], (1, 4, 4, 2), 4, num_splits=4),
    "slice": single("SLICE", [MAP, ints(0, 1, 0, 0), ints(1, 3, 4, 8)], (1, 3, 4, 8)),
    "strided": single("STRIDED_SLICE", [MAP, ints(0, 0, 0, -4), ints(1, 4, 4, 8), ints(1, 1, 1, 1)], (1, 4, 4, 4)),
    "pad channels": single("PAD", [MAP, ints(0, 0, 0, 0, 0, 0, 0, 1).reshape(4, 2)], (1, 4, 4, 9)),
    "transpose rank 6": single("TRANSPOSE", [(1, 1, *MAP), ints(5, 4, 3, 2, 1, 0)], (8, 4, 4, 1, 1, 1)),
    "resize": single("RESIZE_BILINEAR", [MAP, ints(8, 8)], (1, 8, 8, 8), half_pixel_centers=True),
    "softmax": single("SOFTMAX", [MAP], MAP, beta=1.0),
    "max pool": single("MAX_POOL_2D", [MAP], (1, 2, 2, 8), **POOL),
    "1x1 pool": single("AVERAGE_POOL_2D", [MAP], MAP, **{**ONE_POOL, "stride_h": 1, "stride_w": 1}),
    "transposed": single(
        "TRANSPOSE_CONV", [ints(1, 8, 8, 8), KERNEL, MAP, BIAS], (1, 8, 8, 8), **{**CONV, "stride_h": 2, "stride_w": 2}
    ),
    "depth to space": single("DEPTH_TO_SPACE", [MAP], (1, 8, 8, 2), block_size=2),
    "gelu": single("GELU", [MAP], MAP, approximate=True),
}
LEFT = {
    "add rank 7": single("ADD", [(1, 1, 1, *MAP), (1, 1, 1, *MAP)], (1, 1, 1, *MAP)),
    "add int32": single("ADD", [MAP, MAP], MAP, dtype="int32", out_dtype="int32"),
    "add tanh": single("ADD", [MAP, MAP], MAP, fused_activation="TANH"),
    "pow": single("POW", [MAP, MAP], MAP),
    "conv weights computed": single("CONV_2D", [MAP, (8, 3, 3, 8), BIAS], MAP, **CONV),
    "conv bias computed": single("CONV_2D", [MAP, KERNEL, (8,)], MAP, **CONV),
    "dense weights computed": single("FULLY_CONNECTED", [(4, 8), (3, 8), None], (4, 3)),
    "concat 6": single("CONCATENATION", [MAP] * 6, (1, 4, 4, 48), axis=3),
    "split 5": single("SPLIT", [np.array(1, np.int32), (1, 5)], (1, 1), 5, num_splits=5),
    "slice to the end": single("SLICE", [MAP, ints(0, 1, 0, 0), ints(1, -1, -1, -1)], (1, 3, 4, 8)),
    "stride 2": single("STRIDED_SLICE", [MAP, ints(0, 0, 0, 0), ints(1, 4, 4, 8), ints(1, 2, 1, 1)], (1, 2, 4, 8)),
    "shrinking": single(
        "STRIDED_SLICE", [MAP, ints(0, 0, 0, 0), ints(1, 4, 4, 8), ints(1, 1, 1, 1)], MAP[1:], shrink_axis_mask=1
    ),
    "pad int64": single("PAD", [MAP, np.zeros((4, 2), np.int64)], MAP),
    "padv2": single("PADV2", [MAP, np.zeros((4, 2), np.int32), floats()], MAP),
    "softmax beta 2": single("SOFTMAX", [MAP], MAP, beta=2.0),
    "1x1 pool stride 2": single("MAX_POOL_2D", [MAP], (1, 2, 2, 8), **ONE_POOL),
    "nearest": single("RESIZE_NEAREST_NEIGHBOR", [MAP, ints(8, 8)], (1, 8, 8, 8)),
    "gather": single("GATHER", [(4, 8), ints(1, 2)], (2, 8), axis=0),
    "cast": single("CAST", [MAP], MAP, in_data_type="FLOAT32", out_data_type="INT32", out_dtype="int32"),
    "squeeze": single("SQUEEZE", [MAP], MAP[1:], squeeze_dims=(0,)),
    "pack": single("PACK", [MAP, MAP], (2, *MAP), axis=0, values_count=2),
}


@pytest.mark.parametrize(
    ("graph", "taken"),
    [(graph, True) for graph in TAKEN.values()] + [(graph, False) for graph in LEFT.values()],
    ids=[*TAKEN, *LEFT],
)
def test_conditions_are_the_runtimes(graph: OpGraph, taken: bool) -> None:
    assert is_delegated(graph.ops[0], graph.tensors) is taken
    with Session(write(graph), profile=True) as session:
        events = session.profile(1, 0)
    assert {event.kind for event in events} == {"delegate" if taken else "builtin"}
    assert match_events(graph, events)


def test_subsets_follow_readiness() -> None:
    """x -> SIGN -> a -> ABS -> b; x -> SIGN -> c; b + c -> y: both SIGNs run first."""
    tensors = {name: Tensor(name, (4,)) for name in "xabcy"}
    ops = (
        Op("SIGN", ("x",), ("a",)),
        Op("ABS", ("a",), ("b",)),
        Op("SIGN", ("x",), ("c",)),
        Op("ADD", ("b", "c"), ("y",)),
    )
    subsets = partition(OpGraph(tensors, ops, ("x",), ("y",)))
    assert [(subset.delegated, subset.ops) for subset in subsets] == [(False, (0, 2)), (True, (1, 3))]


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "pads"),
    [
        (8, 3, 1, 1, (1, 1)),
        (8, 3, 2, 1, (0, 1)),
        (9, 3, 2, 1, (1, 1)),
        (8, 4, 1, 1, (1, 2)),
        (8, 3, 1, 2, (2, 2)),
        (8, 1, 2, 1, (0, 0)),
    ],
)
def test_same_padding(size: int, kernel: int, stride: int, dilation: int, pads: tuple[int, int]) -> None:
    assert same_padding(size, kernel, stride, dilation) == pads
