"""What is written is read back; what is damaged is refused; nothing crashes, hangs or passes in silence."""

from __future__ import annotations

import contextlib
import time
from functools import cache
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as fb
from hypothesis import given, settings
from hypothesis import strategies as st

from evit_nas.errors import InputError
from evit_nas.graph.emit import emit
from evit_nas.graph.lowering import AUTHORS, OURS, Lowering
from evit_nas.graph.opgraph import Op, OpGraph, Tensor
from evit_nas.seal import PLACEHOLDER, SEAL_ENTRY, seal
from evit_nas.space.arch import named_arch
from evit_nas.tflite.batch import with_batch_of_one
from evit_nas.tflite.match import match_events
from evit_nas.tflite.reader import read
from evit_nas.tflite.runtime import Session
from evit_nas.tflite.weights import fill_random
from evit_nas.tflite.writer import write


@cache
def network(lowering: Lowering = OURS) -> OpGraph:
    return fill_random(emit(named_arch("b0", upsample="bicubic"), (64, 128), lowering), 0)


@cache
def small_file() -> bytes:
    tensors = {
        "x": Tensor("x", (1, 4, 4, 2)),
        "w": Tensor("w", (2, 1, 1, 2), data=np.ones((2, 1, 1, 2), np.float32)),
        "b": Tensor("b", (2,), data=np.zeros(2, np.float32)),
        "y": Tensor("y", (1, 4, 4, 2)),
        "shape": Tensor("shape", (2,), "int32", np.array([1, 32], np.int32)),
        "z": Tensor("z", (1, 32)),
    }
    conv = Op("CONV_2D", ("x", "w", "b"), ("y",), (("padding", "SAME"), ("stride_h", 1), ("stride_w", 1)))
    reshape = Op("RESHAPE", ("y", "shape"), ("z",), (("new_shape", (1, 32)),))
    return write(OpGraph(tensors, (conv, reshape), ("x",), ("z",), {"note": "small"}))


@pytest.mark.parametrize("lowering", [OURS, AUTHORS], ids=["ours", "authors"])
def test_a_network_comes_back_whole(lowering: Lowering) -> None:
    graph = network(lowering)
    content = write(graph)
    back = read(content)
    assert (back.inputs, back.outputs) == (graph.inputs, graph.outputs)
    assert [(op.kind, op.inputs, op.outputs) for op in back.ops] == [
        (op.kind, op.inputs, op.outputs) for op in graph.ops
    ]
    assert all(set(op.attrs) <= set(read_op.attrs) for op, read_op in zip(graph.ops, back.ops, strict=True))
    for name, tensor in graph.tensors.items():
        assert (back.tensors[name].shape, back.tensors[name].dtype) == (tensor.shape, tensor.dtype)
        if tensor.data is not None:
            np.testing.assert_array_equal(back.tensors[name].data, tensor.data)
    assert write(back) == content


def test_metadata_and_paths(tmp_path: Path) -> None:
    path = tmp_path / "small.tflite"
    path.write_bytes(small_file())
    assert read(path).metadata == {"note": "small"}
    with pytest.raises(InputError, match=r"absent\.tflite: No such file"):
        read(tmp_path / "absent.tflite")


def rewritten(change: object) -> bytes:
    """The small file after `change(model)`, packed by the official classes."""
    model = fb.ModelT.InitFromPackedBuf(small_file(), 0)
    change(model)  # type: ignore[operator]
    builder = flatbuffers.Builder(4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_custom_operators_keep_name_and_options() -> None:
    def change(model: fb.ModelT) -> None:
        model.operatorCodes[1].builtinCode = model.operatorCodes[1].deprecatedBuiltinCode = fb.BuiltinOperator.CUSTOM
        model.operatorCodes[1].customCode = "Mine"
        op = model.subgraphs[0].operators[1]
        op.builtinOptions, op.builtinOptionsType, op.customOptions = None, 0, [1, 2, 255]

    op = read(rewritten(change)).ops[1]
    assert (op.kind, op.attrs) == ("CUSTOM:Mine", (("custom_options", (1, 2, 255)),))
    assert read(write(read(rewritten(change)))).ops[1] == op


def test_names_are_made_unique() -> None:
    def change(model: fb.ModelT) -> None:
        for tensor in model.subgraphs[0].tensors[3:]:
            tensor.name = "x"

    graph = read(rewritten(change))
    assert list(graph.tensors) == ["x", "w", "b", "x#3", "x#4", "x#5"]
    assert graph.outputs == ("x#5",)


def test_buffers_behind_the_flatbuffer() -> None:
    data = np.full(4, 7, np.float32).tobytes()
    offset = 4096

    def change(model: fb.ModelT) -> None:
        buffer = model.buffers[model.subgraphs[0].tensors[1].buffer]
        buffer.data, buffer.offset, buffer.size = None, offset, len(data)

    content = rewritten(change)
    weights = read(content.ljust(offset, b"\0") + data).tensors["w"].data
    assert weights is not None
    assert (weights == 7).all()
    with pytest.raises(InputError, match="goes beyond its end"):
        read(content.ljust(offset, b"\0") + data[:-1])


def test_the_subgraph_of_the_signature_is_read() -> None:
    def change(model: fb.ModelT) -> None:
        other = fb.SubGraphT()
        other.tensors, other.inputs, other.outputs, other.operators = [], [], [], []
        model.subgraphs.insert(0, other)
        model.signatureDefs[0].subgraphIndex = 1

    assert len(read(rewritten(change)).ops) == 2


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("shapeSignature", [1, -1, -1, 2], r"input 'x' has a dynamic shape \[1, -1, -1, 2\]"),
        ("shapeSignature", [-1, -1, 4, 2], r"input 'x' has a dynamic shape \[-1, -1, 4, 2\]"),
        ("type", fb.TensorType.STRING, "'x' has dtype code 5; handled: float64"),
        ("shape", [-4, 4], r"'x' has the shape \[-4, 4\]"),
    ],
)
def test_tensors_that_are_not_handled(field: str, value: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(rewritten(lambda model: setattr(model.subgraphs[0].tensors[0], field, value)))


def test_float16_weights_come_as_the_runtime_unpacks_them() -> None:
    """Held against the profiler: the convolution is all that runs."""
    half = np.full((4, 3, 3, 2), 0.5, np.float16)
    tensors = [
        Tensor("x", (1, 8, 8, 2)),
        Tensor("half", half.shape, "float16", half),
        Tensor("w", half.shape),
        Tensor("b", (4,), data=np.zeros(4, np.float32)),
        Tensor("y", (1, 8, 8, 4)),
    ]
    attrs = (("dilation_h_factor", 1), ("dilation_w_factor", 1), ("padding", "SAME"), ("stride_h", 1), ("stride_w", 1))
    ops = (Op("DEQUANTIZE", ("half",), ("w",)), Op("CONV_2D", ("x", "w", "b"), ("y",), attrs))
    content = write(OpGraph({tensor.name: tensor for tensor in tensors}, ops, ("x",), ("y",)))
    graph = read(content)
    assert [op.kind for op in graph.ops] == ["CONV_2D"]
    assert "half" not in graph.tensors
    assert graph.tensors["w"].data is not None
    assert (graph.tensors["w"].data == 0.5).all()
    with Session(content, profile=True) as session:
        ((kernel, _),) = match_events(graph, session.profile(2))
    assert kernel.signature.kind == "CONV_2D"


def test_an_open_batch_is_one_and_runs() -> None:
    def change(model: fb.ModelT) -> None:
        for tensor in model.subgraphs[0].tensors:
            if tensor.name in (b"x", b"y"):
                tensor.shapeSignature = [-1, 4, 4, 2]

    content = rewritten(change)
    assert read(content).tensors["x"].shape == (1, 4, 4, 2)
    with Session(content) as session:
        assert session.inputs[0].shape == (1, 4, 4, 2)
        assert session.run([np.ones((1, 4, 4, 2), np.float32)])[0].shape == (1, 32)


@pytest.mark.parametrize("content", [b"", b"TFL3", small_file()[:200], small_file()], ids=len)
def test_other_content_keeps_its_batch(content: bytes) -> None:
    assert with_batch_of_one(content) == content


def test_quantised_tensors_are_marked_and_not_written() -> None:
    def change(model: fb.ModelT) -> None:
        scale = fb.QuantizationParametersT()
        scale.scale, scale.zeroPoint = [0.5], [0]
        model.subgraphs[0].tensors[3].quantization = scale

    graph = read(rewritten(change))
    assert graph.tensors["y"].quantized
    with pytest.raises(InputError, match="'y' is quantised"):
        write(graph)


def test_a_changed_export_of_ours_is_refused() -> None:
    graph = read(small_file())
    sealed = seal(write(OpGraph(graph.tensors, graph.ops, graph.inputs, graph.outputs, {SEAL_ENTRY: PLACEHOLDER})))
    assert read(sealed).ops == graph.ops
    changed = bytearray(sealed)
    changed[sealed.index(np.ones(4, np.float32).tobytes())] ^= 1
    with pytest.raises(InputError, match="altered since it was exported"):
        read(bytes(changed))


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\0\0\0\0TFL3", b"\xff" * 64, b"PK\x03\x04" + b"\0" * 60])
def test_what_is_no_tflite(content: bytes) -> None:
    with pytest.raises(InputError, match="model: "):
        read(content)


def survives(content: bytes) -> None:
    """Reading gives a graph or an InputError, soon."""
    start = time.perf_counter()
    with contextlib.suppress(InputError):
        read(content)
    assert time.perf_counter() - start < 5


@given(st.integers(0, len(small_file())))
def test_truncated_files(length: int) -> None:
    survives(small_file()[:length])


@settings(max_examples=400)
@given(st.lists(st.tuples(st.integers(0, len(small_file()) - 1), st.integers(0, 255)), min_size=1, max_size=12))
def test_mutated_files(changes: list[tuple[int, int]]) -> None:
    content = bytearray(small_file())
    for place, value in changes:
        content[place] = value
    survives(bytes(content))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from((0, 1, 127, 128, 255))), min_size=1, max_size=40
    )
)
def test_mutated_networks(changes: list[tuple[float, int]]) -> None:
    """The tables of a network lie at the file's two ends; the weights between them are left alone."""
    content = bytearray(write(network()))
    for place, value in changes:
        offset = int(place * 100_000)
        content[offset if offset < 50_000 else len(content) - (offset - 49_999)] = value
    survives(bytes(content))
