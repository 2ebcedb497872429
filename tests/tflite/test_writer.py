"""Files that the writer makes: what the runtime and the official schema find in them, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as fb

from evit_nas.errors import InputError
from evit_nas.graph.builder import GraphBuilder
from evit_nas.graph.opgraph import Op, OpGraph, Param, Tensor
from evit_nas.tflite.runtime import Session
from evit_nas.tflite.schema import BUILTIN_CODE, OPTIONS_TABLE
from evit_nas.tflite.writer import write


def convolution(metadata: dict[str, str] | None = None) -> OpGraph:
    build = GraphBuilder()
    x = build.input((1, 8, 8, 4))
    weight = build.constant(np.arange(144, dtype=np.float32).reshape(4, 3, 3, 4))
    graph = build.finish([build.conv(x, weight, build.zeros(4), stride=2, activation="RELU6")])
    return OpGraph(graph.tensors, graph.ops, graph.inputs, graph.outputs, metadata or {})


def unpack(content: bytes) -> fb.ModelT:
    """By the official generated classes, not by our reader."""
    return fb.ModelT.InitFromPackedBuf(content, 0)


def test_operators_carry_their_options() -> None:
    model = unpack(write(convolution()))
    (op,) = model.subgraphs[0].operators
    assert model.operatorCodes[op.opcodeIndex].builtinCode == fb.BuiltinOperator.CONV_2D
    options = op.builtinOptions
    assert isinstance(options, fb.Conv2DOptionsT)
    assert (options.strideH, options.strideW, options.dilationHFactor) == (2, 2, 1)
    assert options.padding == fb.Padding.SAME
    assert options.fusedActivationFunction == fb.ActivationFunctionType.RELU6


def test_signature_and_metadata() -> None:
    model = unpack(write(convolution({"note": "Stadtbild ü"})))
    (signature,) = model.signatureDefs
    assert signature.signatureKey == b"serving_default"
    assert [entry.tensorIndex for entry in signature.inputs] == list(model.subgraphs[0].inputs)
    (entry,) = model.metadata
    assert entry.name == b"note"
    assert bytes(model.buffers[entry.buffer].data).decode() == "Stadtbild ü"


def test_equal_constants_are_stored_once_and_aligned() -> None:
    data = np.arange(96, dtype=np.float32)
    tensors = {name: Tensor(name, (96,), data=data.copy()) for name in ("a", "b")}
    tensors |= {name: Tensor(name, (96,)) for name in ("x", "y", "z")}
    ops = (Op("ADD", ("x", "a"), ("y",)), Op("MUL", ("y", "b"), ("z",)))
    content = write(OpGraph(tensors, ops, ("x",), ("z",)))
    assert content.count(data.tobytes()) == 1
    assert content.index(data.tobytes()) % 16 == 0


def test_operator_codes_are_shared_and_versions_fit() -> None:
    build = GraphBuilder()
    x = build.input((1, 4, 4, 2))
    y = build.unary("HARD_SWISH", build.unary("HARD_SWISH", x))
    model = unpack(write(build.finish([build.resize_bilinear(y, 8, 8)])))
    versions = {code.builtinCode: code.version for code in model.operatorCodes}
    assert versions == {fb.BuiltinOperator.HARD_SWISH: 1, fb.BuiltinOperator.RESIZE_BILINEAR: 3}


def test_an_absent_input_is_minus_one() -> None:
    tensors = {
        "x": Tensor("x", (1, 4)),
        "w": Tensor("w", (2, 4), data=np.ones((2, 4), np.float32)),
        "y": Tensor("y", (1, 2)),
    }
    graph = OpGraph(tensors, (Op("FULLY_CONNECTED", ("x", "w", ""), ("y",)),), ("x",), ("y",))
    assert list(unpack(write(graph)).subgraphs[0].operators[0].inputs) == [0, 1, -1]
    with Session(write(graph)) as session:
        np.testing.assert_array_equal(session.run([np.ones((1, 4), np.float32)])[0], [[4, 4]])


def test_weights_that_are_not_data_are_an_error_by_name() -> None:
    graph = convolution()
    weight = graph.ops[0].inputs[1]
    symbolic = Tensor(weight, (4, 3, 3, 4), param=Param("conv_bn", "stem"))
    with pytest.raises(InputError, match=f"{weight!r} has no data.*'conv_bn'"):
        write(OpGraph({**graph.tensors, weight: symbolic}, graph.ops, graph.inputs, graph.outputs))


def one(op: Op, **tensors: Tensor) -> OpGraph:
    values = {"x": Tensor("x", (4,)), "y": Tensor("y", (4,)), **tensors}
    return OpGraph(values, (op,), ("x",), ("y",))


FUSED = (("fused_activation", "RELU7"),)
NEG = Op("NEG", ("x",), ("y",))


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (one(Op("RELUU", ("x",), ("y",))), "unknown operator 'RELUU': did you mean 'RELU"),
        (one(Op("RELU", ("x",), ("y",), (("alpha", 1.0),))), "RELU takes no attributes, got alpha"),
        (one(Op("GELU", ("x",), ("y",), (("aproximate", True),))), "'aproximate': did you mean 'approximate'"),
        (one(Op("ADD", ("x", "x"), ("y",), FUSED)), "fused_activation='RELU7', did you mean"),
        (one(Op("NEG", ("z",), ("y",))), "does not hold: 'z'"),
        (one(NEG, x=Tensor("x", (4,), "float31")), "'x': dtype 'float31', did you mean 'float32'"),
        (one(NEG, x=Tensor("x", (4,), quantized=True)), "'x' is quantised"),
        (one(NEG, x=Tensor("x", (4,), data=np.zeros(3, np.float32))), r"float32\[4\], its data"),
    ],
)
def test_what_cannot_be_written_is_named(graph: OpGraph, message: str) -> None:
    with pytest.raises(InputError, match=message):
        write(graph)


WITH_OPTIONS = """CONV_2D DEPTHWISE_CONV_2D FULLY_CONNECTED BATCH_MATMUL ADD SUB MUL DIV MAXIMUM HARD_SWISH SUM MEAN
RESHAPE TRANSPOSE CONCATENATION SLICE STRIDED_SLICE SPLIT PAD PADV2 RESIZE_BILINEAR SQUARED_DIFFERENCE SOFTMAX ARG_MAX
MAX_POOL_2D AVERAGE_POOL_2D TRANSPOSE_CONV DEPTH_TO_SPACE GATHER GATHER_ND CAST GELU EXP NEG POW PACK UNPACK SQUEEZE
EXPAND_DIMS BROADCAST_TO SELECT_V2 TILE LEAKY_RELU STABLEHLO_COMPOSITE"""
WITHOUT_OPTIONS = "RELU RELU6 LOGISTIC TANH SQRT RSQRT LOG SIN FLOOR CEIL ELU PRELU"


def test_kinds_with_options_have_their_table() -> None:
    for kind in WITH_OPTIONS.split():
        assert hasattr(fb, OPTIONS_TABLE[kind] + "T"), kind


def test_kinds_without_options_have_none() -> None:
    for kind in WITHOUT_OPTIONS.split():
        assert kind in BUILTIN_CODE
        assert kind not in OPTIONS_TABLE
