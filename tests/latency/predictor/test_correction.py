from __future__ import annotations

import numpy as np
import pytest

from evit_nas.latency.predictor.correction import fit_correction, leave_one_out_us


def features(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack(
        [
            np.ones(count),
            rng.uniform(2e3, 2e5, count),
            rng.integers(60, 300, count).astype(float),
            rng.uniform(5, 400, count),
            rng.normal(0, 100, count),
        ],
        axis=1,
    )


def test_without_networks_it_adds_the_graph_alone() -> None:
    correction = fit_correction(np.zeros((0, 5)), np.zeros(0), graph_us=7.0)
    assert correction.apply_us(np.array([[1.0, 1000.0, 50.0, 3.0, 80.0]]))[0] == pytest.approx(1007)


def test_it_finds_scale_and_overhead() -> None:
    x = features(40)
    truth = np.array([10.0, 1.08, 0.4, 2.0, 0.5])
    correction = fit_correction(x, x @ truth, graph_us=10.0)
    np.testing.assert_allclose(correction.apply_us(x), x @ truth, rtol=0.01)


def test_one_disturbed_network_does_not_move_it() -> None:
    x = features(30)
    us = 1.05 * x[:, 1]
    us[7] *= 1.5
    correction = fit_correction(x, us, graph_us=0.0)
    others = np.arange(30) != 7
    np.testing.assert_allclose(correction.apply_us(x[others]), us[others], rtol=0.02)


def test_leave_one_out_does_not_see_the_network() -> None:
    x = features(12)
    us = x[:, 1].copy()
    us[4] *= 1.3
    assert leave_one_out_us(x, us, graph_us=0.0)[4] == pytest.approx(x[4, 1], rel=0.03)


def test_one_more_kernel_never_makes_a_network_faster() -> None:
    x = features(60)
    correction = fit_correction(x, 0.9 * x[:, 1] - 2.0 * x[:, 2] + 1.5 * x[:, 4], graph_us=1.0)
    assert (correction.weights >= 0).all()
    measured_us, regressed_us = 50.0, 1.0  # a row that the regression holds to be a disturbed one
    kernel = np.array([0.0, measured_us, 1.0, 0.01, regressed_us - measured_us])
    assert correction.weights @ kernel > 0
