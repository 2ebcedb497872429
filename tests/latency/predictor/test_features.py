from __future__ import annotations

import numpy as np
import pytest

from evit_nas.errors import MissingCostError
from evit_nas.graph.kernel import KernelSignature, TensorType
from evit_nas.latency.predictor.features import COST_COLUMNS, axes, cost_columns, facts, ramp

MAP = TensorType((1, 32, 64, 24))
DEPTHWISE = KernelSignature(
    "DEPTHWISE_CONV_2D",
    (MAP, TensorType((1, 5, 5, 24), constant=True), TensorType((24,), constant=True)),
    (TensorType((1, 16, 32, 24)),),
    (("fused_activation", "RELU6"), ("stride_h", 2), ("stride_w", 2)),
)


def test_facts_of_a_depthwise_convolution() -> None:
    fact = facts(DEPTHWISE)
    assert fact.macs == 16 * 32 * 24 * 25
    assert fact.tensor_bytes == (32 * 64 * 24 * 4, 16 * 32 * 24 * 4)
    assert fact.elements == 16 * 32 * 24


def test_axes_separate_what_must_have_been_seen() -> None:
    found = axes(DEPTHWISE)
    assert found.family == "DEPTHWISE_CONV_2D"
    assert dict(found.values) == {"pixels": 512, "cin": 24, "taps": 25, "stride": 4}
    assert "fused_activation=RELU6" in found.variant
    assert "kernel=5x5" in found.variant


def test_columns_put_each_operator_in_its_place() -> None:
    columns = dict(zip(COST_COLUMNS, cost_columns(facts(DEPTHWISE)), strict=True))
    assert columns["depthwise_gmac"] == pytest.approx(16 * 32 * 24 * 25 / 1e9)
    assert columns["dense_gmac"] == columns["pad_gb"] == columns["traffic_gb 8-32"] == 0
    assert columns["kernels"] == 1
    pad = cost_columns(facts(KernelSignature("PAD", (MAP,), (TensorType((1, 34, 66, 24)),))))
    assert pad[COST_COLUMNS.index("pad_gb")] == pytest.approx((MAP.size_bytes + 34 * 66 * 24 * 4) / 1e9)


def test_ramp_is_the_cache() -> None:
    mib = 2**20
    assert [ramp(size * mib, 8, 32) for size in (1, 8, 16, 32, 100)] == pytest.approx([0, 0, 0.5, 1, 1])
    assert ramp(1, 0, 0) == 1


def test_a_matmul_has_its_own_axes() -> None:
    signature = KernelSignature(
        "BATCH_MATMUL", (TensorType((1, 8, 16, 512)), TensorType((1, 8, 512, 17))), (TensorType((1, 8, 16, 17)),)
    )
    assert dict(axes(signature).values) == {"batch": 8, "rows": 16, "inner": 512, "columns": 17}
    assert facts(signature).macs == 8 * 16 * 512 * 17


def test_an_unknown_operator_is_never_zero() -> None:
    with pytest.raises(MissingCostError, match="NON_MAX_SUPPRESSION_V5 \\(1x32x64x24\\)"):
        facts(KernelSignature("NON_MAX_SUPPRESSION_V5", (MAP,), (MAP,)))


def test_columns_are_finite_and_not_negative() -> None:
    for kind in ("ADD", "MEAN", "RESHAPE", "LOGISTIC", "RESIZE_BILINEAR"):
        columns = cost_columns(facts(KernelSignature(kind, (MAP,), (MAP,))))
        assert np.isfinite(columns).all()
        assert (columns >= 0).all()
