"""Kernels as multiply-accumulates that take as long on the phone of the blocks."""

from __future__ import annotations

import numpy as np
import pytest

from evit_nas.errors import TableError
from evit_nas.graph.kernel import KernelSignature
from evit_nas.latency.predictor.features import COST_COLUMNS, cost_columns, facts
from evit_nas.latency.predictor.phone_costs import PhoneCosts, shipped_phone_costs
from evit_nas.latency.predictor.public_kernels import convolution, dense, depthwise, matmul, unary

DENSE, DEPTHWISE = (COST_COLUMNS.index(name) for name in ("dense_gmac", "depthwise_gmac"))


@pytest.fixture(scope="module")
def phone() -> PhoneCosts:
    return shipped_phone_costs()


def _a_mac(phone: PhoneCosts, signature: KernelSignature, column: int) -> float:
    return float(phone.columns(signature)[column] * 1e9 / facts(signature).macs)


def test_the_reference_kernels_count_as_they_are(phone: PhoneCosts) -> None:
    assert _a_mac(phone, dense(32, 256, 256, 1), DENSE) == pytest.approx(1)
    assert _a_mac(phone, depthwise(32, 128, 3, 1), DEPTHWISE) == pytest.approx(1)


def test_small_maps_and_strides_cost_more_a_multiply_accumulate(phone: PhoneCosts) -> None:
    assert _a_mac(phone, dense(2, 256, 256, 1), DENSE) > 1.1
    assert _a_mac(phone, depthwise(64, 64, 3, 2), DEPTHWISE) > 1.3
    assert 1.2 < _a_mac(phone, depthwise(32, 128, 5, 1), DEPTHWISE) * 25 / 9 < 25 / 9


@pytest.mark.parametrize(
    "signature",
    [
        depthwise(32, 128, 7, 1),
        convolution(16, 14, 32, 32, 3, 1),
        convolution(16, 14, 32, 32, 3, 1, groups=4),
        matmul(4, 49, 16, 49),
        unary("HARD_SWISH", (1, 32, 32, 64)),
    ],
    ids=["k = 7", "dense 3x3", "grouped", "attention", "pass"],
)
def test_what_no_block_holds_counts_by_itself(phone: PhoneCosts, signature: KernelSignature) -> None:
    np.testing.assert_array_equal(phone.columns(signature), cost_columns(facts(signature)))


def test_the_document_keeps_all_of_it_and_damage_is_named(phone: PhoneCosts) -> None:
    again = PhoneCosts.parse(phone.document(), "t.json")
    kernel = depthwise(64, 64, 5, 2)
    np.testing.assert_allclose(again.columns(kernel), phone.columns(kernel), rtol=1e-5)
    with pytest.raises(TableError, match=r"t\.json: calibration\.phone is damaged"):
        PhoneCosts.parse({"us": {"a": "fast"}}, "t.json")
