"""Folding official tensors into constants, and random weights."""

from __future__ import annotations

import numpy as np
import pytest

from evit_nas.errors import CheckpointError
from evit_nas.graph.blocks import MBConv, Msa
from evit_nas.graph.emit import emit, emit_block
from evit_nas.graph.opgraph import OpGraph
from evit_nas.space.arch import named_arch
from evit_nas.tflite.weights import BATCH_NORM_EPS, fill_random, materialize

BLOCK = MBConv(8, 8, 4, 6, 2, 3, 1, "hswish", False, False)


def state() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = {"inverted_conv": (8, 4, 1, 1), "depth_conv": (8, 1, 3, 3), "point_conv": (6, 8, 1, 1)}
    tensors = {}
    for name, shape in shapes.items():
        tensors[f"{name}.conv.weight"] = rng.standard_normal(shape).astype(np.float32)
        for norm in ("weight", "bias", "running_mean", "running_var"):
            tensors[f"{name}.norm.{norm}"] = rng.uniform(0.5, 2, shape[0]).astype(np.float32)
    return tensors


def constants(graph: OpGraph, kind: str) -> list[np.ndarray]:
    op = next(op for op in graph.ops if op.kind == kind)
    return [data for name in op.inputs if (data := graph.tensors[name].data) is not None]


def test_batch_norm_is_folded() -> None:
    given = state()
    weight, bias = constants(materialize(emit_block(BLOCK), given), "DEPTHWISE_CONV_2D")
    scale = given["depth_conv.norm.weight"] / np.sqrt(given["depth_conv.norm.running_var"] + BATCH_NORM_EPS)
    expected = given["depth_conv.conv.weight"][:, 0].transpose(1, 2, 0)[None] * scale
    np.testing.assert_allclose(weight, expected, rtol=1e-6)
    shift = given["depth_conv.norm.bias"] - given["depth_conv.norm.running_mean"] * scale
    np.testing.assert_allclose(bias, shift, rtol=1e-5)
    assert weight.dtype == np.float32
    assert weight.flags.c_contiguous


def test_every_weight_becomes_data() -> None:
    graph = materialize(emit_block(BLOCK), state())
    assert all(tensor.param is None for tensor in graph.tensors.values())


def test_a_missing_tensor_is_named() -> None:
    given = state()
    del given["depth_conv.norm.running_var"]
    with pytest.raises(CheckpointError, match=r"no tensor 'depth_conv\.norm\.running_var'"):
        materialize(emit_block(BLOCK), given)


@pytest.mark.parametrize(
    ("key", "shape", "message"),
    [
        ("inverted_conv.conv.weight", (9, 4, 1, 1), "inverted_conv"),
        ("point_conv.conv.weight", (6, 8), "must have 4 dimensions"),
        ("inverted_conv.norm.bias", (9,), "inverted_conv"),
        ("depth_conv.conv.weight", (8, 1, 5, 5), r"give \[1, 5, 5, 8\], the architecture needs \[1, 3, 3, 8\]"),
    ],
)
def test_a_shape_that_does_not_fit_is_named(key: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        materialize(emit_block(BLOCK), {**state(), key: np.ones(shape, np.float32)})


def test_attention_of_another_head_dim_is_refused() -> None:
    block = Msa(8, 8, 16, 1, 16, (5,), 1e-15)
    given = {"qkv.conv.weight": np.ones((40, 16, 1, 1), np.float32)}
    with pytest.raises(CheckpointError, match="qkv"):
        materialize(emit_block(block), given)


def test_random_weights_are_well_scaled_and_repeatable() -> None:
    graph = emit(named_arch("b1"), (64, 64))
    first, again, other = (fill_random(graph, seed) for seed in (1, 1, 2))
    names = [name for name, tensor in graph.tensors.items() if tensor.param]
    for name in names:
        data = first.tensors[name].data
        assert data is not None
        assert data.shape == graph.tensors[name].shape
        assert data.dtype == np.float32
        assert np.abs(data).min() > 1e-5
        assert np.abs(data).max() < 10
        np.testing.assert_array_equal(data, again.tensors[name].data)
    assert any((first.tensors[n].data != other.tensors[n].data).any() for n in names)  # type: ignore[union-attr]
