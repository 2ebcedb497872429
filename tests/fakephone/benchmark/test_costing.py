"""Times of kernels: each against the formula worked by hand, and the kernels against the runtime's own behaviour."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from evit_nas.fakephone.benchmark.costing import bytes_of, cost_kind, macs_of, times_us
from evit_nas.fakephone.benchmark.kernels import FusedKernel, kernels_of
from evit_nas.fakephone.benchmark.model_file import BadModel, read_model
from evit_nas.fakephone.cost_model import CostModel


def test_one_convolution_by_hand(small_model: bytes, plain_costs: CostModel) -> None:
    (kernel,) = kernels_of(read_model(small_model))
    assert cost_kind(kernel) == "conv_1x1"
    assert macs_of(kernel, 1) == 64 * 16 * 32
    assert bytes_of(kernel, 1) == 4 * (64 * 16 + 64 * 32 + 16 * 32 + 32)
    base_us = 10 + (64 * 16 * 32 + 14464) / 1000
    assert times_us([kernel], plain_costs) == pytest.approx([base_us])
    cold = replace(plain_costs, cold=2.0)
    assert times_us([kernel], cold) == pytest.approx([base_us + 2 * 14.464])
    assert times_us([kernel, kernel], cold) == pytest.approx([base_us, base_us])
    slow = replace(plain_costs, cache_bytes=14463, cache_penalty=3.0)
    assert times_us([kernel], slow) == pytest.approx([base_us + 2 * 14.464])
    assert times_us([kernel], replace(slow, cache_bytes=14464)) == pytest.approx([base_us])


def test_channels_are_rounded_up_before_counting() -> None:
    kernel = FusedKernel("CONV_2D", 0, 0, ((1, 4, 4, 3),), ((1, 4, 4, 10),), ((10, 3, 3, 3), (10,)))
    assert cost_kind(kernel) == "conv"
    assert macs_of(kernel, 8) == 16 * 9 * 8 * 16
    assert bytes_of(kernel, 8) == 4 * (16 * 8 + 16 * 16 + 16 * 9 * 8 + 16)


@pytest.mark.parametrize(
    ("kernel", "kind", "macs"),
    [
        (
            FusedKernel("DEPTHWISE_CONV_2D", 0, 0, ((1, 4, 4, 8),), ((1, 4, 4, 8),), ((1, 3, 3, 8), (8,))),
            "depthwise_conv",
            1152,
        ),
        (FusedKernel("FULLY_CONNECTED", 0, 0, ((6, 10),), ((6, 20),), ((20, 10),)), "fully_connected", 1200),
        (FusedKernel("BATCH_MATMUL", 0, 0, ((2, 5, 7), (2, 7, 3)), ((2, 5, 3),), (), depth=7), "batch_matmul", 210),
        (FusedKernel("ADD", 0, 0, ((1, 4), (1, 4)), ((1, 4),), ()), "elementwise", 0),
        (FusedKernel("RESIZE_BILINEAR", 0, 0, ((1, 4, 4, 8),), ((1, 8, 8, 8),), ()), "resize", 0),
        (FusedKernel("TRANSPOSE", 0, 0, ((4, 2),), ((2, 4),), ()), "data_movement", 0),
        (FusedKernel("SOFTMAX", 0, 0, ((4, 2),), ((4, 2),), ()), "other", 0),
    ],
)
def test_kinds_and_macs(kernel: FusedKernel, kind: str, macs: int) -> None:
    assert (cost_kind(kernel), macs_of(kernel, 1)) == (kind, macs)


@pytest.mark.parametrize("style", ["ours", "authors"])
def test_kernels_are_those_that_the_runtime_shows(style: str) -> None:
    """Two readers written apart agree on a whole network: number, order, partitions and shapes."""
    from evit_nas.graph.cost import signature_macs
    from evit_nas.graph.emit import emit
    from evit_nas.graph.fuse import trace
    from evit_nas.graph.lowering import AUTHORS, OURS
    from evit_nas.space.space import load_space
    from evit_nas.tflite.weights import fill_random
    from evit_nas.tflite.writer import write

    candidate = load_space("efficientvit-seg-small").sample(0, 1)[0]
    graph = fill_random(emit(candidate.arch, (64, 64), {"ours": OURS, "authors": AUTHORS}[style]), 0)
    expected: list[Any] = list(trace(graph))
    kernels = kernels_of(read_model(write(graph)))
    assert len(kernels) == len(expected)
    for kernel, step in zip(kernels, expected, strict=True):
        assert (kernel.partition, kernel.free) == (step.kernel.partition, step.free)
        assert list(kernel.outputs) == [output.shape for output in step.kernel.signature.outputs]
        assert macs_of(kernel, 1) == signature_macs(step.kernel.signature), kernel


@pytest.mark.parametrize("content", [b"", b"not a model at all", b"\x20\x00\x00\x00TFL3" + bytes(64)])
def test_bytes_that_are_no_model(content: bytes) -> None:
    with pytest.raises(BadModel):
        read_model(content)


def test_cut_models_are_refused(small_model: bytes) -> None:
    for size in range(8, len(small_model), 97):
        try:
            read_model(small_model[:size])
        except BadModel:
            continue
