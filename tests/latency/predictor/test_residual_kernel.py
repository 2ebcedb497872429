from dataclasses import replace

import numpy as np
import pytest

from evit_nas.latency.predictor.base import Floats
from evit_nas.latency.predictor.residual_kernel import (
    Inputs,
    ResidualKernel,
    _packed,
    _surprise,
    _unpacked,
    inverted,
    likeliest,
    starting_kernel,
)


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    """Twelve families of twenty output widths, with the two features that tell them apart."""
    family, channels = np.repeat(np.arange(12), 20), np.tile(np.arange(160.0, 320.0, 8.0), 12)
    return Inputs(np.stack([family / 4.0, np.log2(channels)], axis=1), family.astype(np.int64), channels)


def drawn(kernel: ResidualKernel, inputs: Inputs, seed: int) -> Floats:
    whole = kernel.covariance(inputs, inputs) + kernel.noise**2 * np.eye(len(inputs.channels))
    return np.linalg.cholesky(whole) @ np.random.default_rng(seed).normal(size=len(inputs.channels))


def test_the_gradient_is_that_of_the_surprise(inputs: Inputs) -> None:
    start = starting_kernel(np.array([0.5, 0.3]))
    residual = drawn(start, inputs, 0)
    centre = _packed(start)
    gradient = _surprise(start, inputs, residual)[1]
    for i in range(len(centre)):
        step = 1e-5 * (np.arange(len(centre)) == i)
        above, below = (_surprise(_unpacked(centre + sign * step), inputs, residual)[0] for sign in (1, -1))
        assert gradient[i] == pytest.approx((above - below) / 2e-5, rel=1e-4, abs=1e-4)


def test_a_session_is_shared_within_a_family_only(inputs: Inputs) -> None:
    kernel = replace(starting_kernel(np.array([0.5, 0.3])), slow=1e-9)
    covariance = kernel.covariance(inputs, inputs)
    assert covariance[0, 1] > 0.5 * kernel.session**2
    assert np.abs(covariance[:20, 20:]).max() < 1e-12


def test_a_disturbed_phone_is_told_from_one_with_a_trend(inputs: Inputs) -> None:
    start = starting_kernel(np.array([0.5, 0.3]))
    disturbed = replace(start, slow=0.02, session=0.08, noise=0.005)
    calm = replace(start, slow=0.08, session=1e-4, noise=0.005)
    found = [likeliest(start, inputs, drawn(kernel, inputs, 1)) for kernel in (disturbed, calm)]
    assert found[0].session == pytest.approx(0.08, rel=0.4)
    assert found[0].session > found[0].slow
    assert found[1].session < 0.2 * found[1].slow


def test_a_covariance_that_is_none_is_refused() -> None:
    with pytest.raises(np.linalg.LinAlgError, match="row 2"):
        inverted(np.array([[1.0, 2.0], [2.0, 1.0]]))


def test_many_rows_are_done_in_chunks_alike(inputs: Inputs) -> None:
    kernel = starting_kernel(np.array([0.5, 0.3]))
    index = np.tile(np.arange(240), 5)
    parts = kernel.parts(inputs.take(index), inputs)
    assert kernel.covariance(inputs.take(index), inputs) == pytest.approx(parts.slow + parts.session)
