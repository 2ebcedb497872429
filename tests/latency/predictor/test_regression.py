"""The regression is monotone by construction, and close where it interpolates."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evit_nas.graph.kernel import KernelSignature, TensorType
from evit_nas.latency.predictor.features import kernel_input
from evit_nas.latency.predictor.regression import KernelRegression, fit_regression, out_of_fold_us, with_errors


def pointwise(height: int, width: int, cin: int, cout: int) -> KernelSignature:
    inputs = (
        TensorType((1, height, width, cin)),
        TensorType((cout, 1, 1, cin), constant=True),
        TensorType((cout,), constant=True),
    )
    return KernelSignature("CONV_2D", inputs, (TensorType((1, height, width, cout)),), (("stride_h", 1),))


def depthwise(height: int, width: int, channels: int, kernel: int) -> KernelSignature:
    inputs = (
        TensorType((1, height, width, channels)),
        TensorType((1, kernel, kernel, channels), constant=True),
        TensorType((channels,), constant=True),
    )
    return KernelSignature("DEPTHWISE_CONV_2D", inputs, (TensorType((1, height, width, channels)),), ())


@pytest.fixture(scope="module")
def signatures() -> list[KernelSignature]:
    rng = np.random.default_rng(0)
    sides, channels = rng.choice([8, 16, 32, 64, 128], 120), rng.choice([8, 16, 24, 40, 64, 96, 160, 256], (120, 2))
    dense = [pointwise(int(s), int(2 * s), int(a), int(b)) for s, (a, b) in zip(sides, channels, strict=True)]
    return dense + [depthwise(int(s), int(2 * s), int(a), 3) for s, (a, _) in zip(sides, channels, strict=True)]


@pytest.fixture(scope="module")
def regression(signatures: list[KernelSignature], true_us: Callable[[KernelSignature], float]) -> KernelRegression:
    noise = np.random.default_rng(1).normal(1, 0.05, len(signatures))
    us = np.array([true_us(s) * n for s, n in zip(signatures, noise, strict=True)])
    inputs, weights = [kernel_input(s) for s in signatures], np.ones(len(us))
    left_out = out_of_fold_us(inputs, us, weights, np.arange(len(us)) % 5)
    return with_errors(fit_regression(inputs, us, weights), inputs, us, left_out)


def test_it_interpolates(regression: KernelRegression, true_us: Callable[[KernelSignature], float]) -> None:
    for signature in (pointwise(48, 96, 48, 112), depthwise(48, 96, 144, 3)):
        us, sd, own_family = regression.predict(signature)
        assert us == pytest.approx(true_us(signature), rel=0.1)
        assert own_family
        assert sd < 0.2


SIDE = st.integers(1, 300)
CHANNELS = st.integers(1, 700)


@settings(max_examples=200, deadline=None)
@given(SIDE, SIDE, CHANNELS, CHANNELS, st.integers(0, 64), st.integers(0, 64))
def test_more_channels_or_pixels_never_cost_less(
    regression: KernelRegression, height: int, width: int, cin: int, cout: int, wider: int, taller: int
) -> None:
    base = regression.predict(pointwise(height, width, cin, cout))[0]
    for larger in (
        pointwise(height + taller, width, cin, cout),
        pointwise(height, width, cin + wider, cout),
        pointwise(height, width, cin, cout + wider),
    ):
        assert regression.predict(larger)[0] >= base * (1 - 1e-12)
    assert regression.predict(depthwise(height + taller, width, cin + wider, 3))[0] >= regression.predict(
        depthwise(height, width, cin, 3)
    )[0] * (1 - 1e-12)


def test_a_family_without_rows_falls_back_and_says_so(regression: KernelRegression) -> None:
    us, sd, own_family = regression.predict(depthwise(32, 32, 64, 7))
    assert us > 0
    assert not own_family
    assert sd >= 0.4


def added(pixels: int, channels: int) -> KernelSignature:
    maps = TensorType((1, pixels, channels))
    return KernelSignature("ADD", (maps, maps), (maps,), ())


def padded_us(signature: KernelSignature) -> float:
    """A device that takes sixteen channels at a time."""
    _, pixels, channels = signature.outputs[0].shape
    return 1.0 + 0.002 * pixels * 16 * -(-channels // 16)


def fitted(signatures: list[KernelSignature]) -> KernelRegression:
    us = np.array([padded_us(s) for s in signatures])
    return fit_regression([kernel_input(s) for s in signatures], us, np.ones(len(us)))


def test_one_channel_costs_what_a_whole_vector_does() -> None:
    draw = np.random.default_rng(0)
    seen = [
        added(int(p), int(c)) for p, c in zip(draw.integers(64, 9000, 60), [16, 32, 48, 64, 128, 1] * 10, strict=True)
    ]
    us, _, own_family = fitted(seen).predict(added(5000, 1))
    assert own_family
    assert us == pytest.approx(padded_us(added(5000, 1)), rel=0.1)


def test_nothing_is_said_of_padding_where_no_row_has_any() -> None:
    draw = np.random.default_rng(0)
    seen = [added(int(p), int(c)) for p, c in zip(draw.integers(64, 9000, 60), [32, 64, 96] * 20, strict=True)]
    narrow = fitted(seen).predict(added(5000, 1))[0]
    assert narrow < padded_us(added(5000, 1)) / 4


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 5000), CHANNELS, st.integers(0, 64))
def test_more_channels_never_add_faster(pixels: int, channels: int, wider: int) -> None:
    model = mixed_additions()
    assert model.predict(added(pixels, channels + wider))[0] >= model.predict(added(pixels, channels))[0] * (1 - 1e-12)


@cache
def mixed_additions() -> KernelRegression:
    draw = np.random.default_rng(0)
    pixels, channels = (
        draw.integers(64, 9000, 80).tolist(),
        draw.choice([1, 3, 8, 12, 16, 20, 32, 64, 128], 80).tolist(),
    )
    return fitted([added(p, c) for p, c in zip(pixels, channels, strict=True)])
