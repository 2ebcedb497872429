"""Any signature of a table makes a model that holds that kernel alone."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from evit_nas.errors import InputError
from evit_nas.graph.emit import emit
from evit_nas.graph.fuse import fuse
from evit_nas.graph.kernel import GRAPH_KIND, KernelSignature, TensorType
from evit_nas.graph.kernel_model import kernel_model
from evit_nas.graph.lowering import AUTHORS, OURS
from evit_nas.graph.opgraph import Op, OpGraph, Tensor
from evit_nas.space.arch import named_arch


@cache
def signatures() -> tuple[KernelSignature, ...]:
    """Every signature of B0 to B3, segmentation and classification, both lowerings."""
    found: dict[str, KernelSignature] = {}
    for name in ("b0", "b1", "b2", "b3", "b0-cls", "b1-ade20k"):
        for lowering in (OURS, AUTHORS):
            for upsample in ("bilinear", "bicubic"):
                graph = emit(named_arch(name, upsample=upsample), (64, 128), lowering)
                found |= {kernel.signature.key: kernel.signature for kernel in fuse(graph).kernels}
    return tuple(found.values())


@pytest.mark.parametrize("repeats", [1, 3])
def test_fusing_the_model_gives_the_signature_back(repeats: int) -> None:
    assert len(signatures()) > 300
    for signature in signatures():
        kernels = fuse(kernel_model(signature, repeats)).kernels
        assert [kernel.signature for kernel in kernels] == [signature] * repeats, signature.key


def test_keys_are_enough_to_make_a_model() -> None:
    for signature in signatures():
        assert KernelSignature.parse(signature.key) == signature


def builtin(op: Op, *tensors: Tensor) -> KernelSignature:
    inputs = tuple(tensor.name for tensor in tensors if not tensor.constant and tensor.name not in op.outputs)
    graph = OpGraph({tensor.name: tensor for tensor in tensors}, (op,), inputs, op.outputs)
    (kernel,) = fuse(graph).kernels
    assert kernel.partition == -1
    return kernel.signature


BUILTINS = [
    builtin(
        Op("GATHER_ND", ("x", "i"), ("y",)),
        Tensor("x", (4, 8)),
        Tensor("i", (2, 1), "int32", np.array([[1], [3]], np.int32)),
        Tensor("y", (2, 8)),
    ),
    builtin(
        Op("ARG_MAX", ("x", "a"), ("y",), (("output_type", "INT64"),)),
        Tensor("x", (1, 4, 4, 8)),
        Tensor("a", (), "int32", np.array(3, np.int32)),
        Tensor("y", (1, 4, 4), "int64"),
    ),
    builtin(
        Op("PADV2", ("x", "p", "v"), ("y",)),
        Tensor("x", (1, 4)),
        Tensor("p", (2, 2), "int32", np.array([[0, 0], [0, 1]], np.int32)),
        Tensor("v", (), data=np.array(1, np.float32)),
        Tensor("y", (1, 5)),
    ),
    builtin(
        Op("STRIDED_SLICE", ("x", "b", "e", "s"), ("y",), (("begin_mask", 1), ("shrink_axis_mask", 2))),
        Tensor("x", (4, 8)),
        Tensor("b", (2,), "int32", np.array([0, 1], np.int32)),
        Tensor("e", (2,), "int32", np.array([4, 2], np.int32)),
        Tensor("s", (2,), "int32", np.array([1, 1], np.int32)),
        Tensor("y", (4,)),
    ),
    builtin(
        Op("FULLY_CONNECTED", ("x", "w", ""), ("y",), (("fused_activation", "NONE"), ("keep_num_dims", False))),
        Tensor("x", (4, 8)),
        Tensor("w", (16, 8)),
        Tensor("y", (4, 16)),
    ),
]


@pytest.mark.parametrize("signature", BUILTINS, ids=[signature.kind for signature in BUILTINS])
def test_operators_outside_the_delegate_come_back_too(signature: KernelSignature) -> None:
    assert KernelSignature.parse(signature.key) == signature
    kernels = fuse(kernel_model(signature, 2)).kernels
    assert [kernel.signature for kernel in kernels] == [signature] * 2


def test_padding_that_has_no_name_is_a_pad_in_front() -> None:
    signature = KernelSignature(
        "DEPTHWISE_CONV_2D",
        (TensorType((1, 9, 8, 4)), TensorType((1, 3, 3, 4), constant=True), TensorType((4,), constant=True)),
        (TensorType((1, 4, 4, 4)),),
        (
            ("fused_activation", "RELU"),
            ("padding", "EXPLICIT"),
            ("pads", (0, 0, 1, 1)),
            ("stride_h", 2),
            ("stride_w", 2),
        ),
    )
    model = kernel_model(signature)
    assert [op.kind for op in model.ops] == ["PAD", "DEPTHWISE_CONV_2D"]
    assert [kernel.signature for kernel in fuse(model).kernels] == [signature]


def test_copies_share_their_weights_and_chains_keep_the_scale() -> None:
    types = (TensorType((1, 8, 8, 16)), TensorType((16, 3, 3, 16), constant=True), TensorType((16,), constant=True))
    attrs = (("fused_activation", "NONE"), ("padding", "SAME"), ("stride_h", 1), ("stride_w", 1))
    model = kernel_model(KernelSignature("CONV_2D", types, (types[0],), attrs), 20)
    weights = [tensor for tensor in model.tensors.values() if tensor.constant]
    assert len(weights) == 2
    assert len(model.outputs) == 1
    variance = np.var(weights[0].data) * 9 * 16
    assert 0.8 < variance < 1.2


def test_what_makes_no_model() -> None:
    with pytest.raises(InputError, match="0 repeats"):
        kernel_model(signatures()[0], 0)
    with pytest.raises(InputError, match=GRAPH_KIND):
        kernel_model(KernelSignature(GRAPH_KIND, (), ()))
