from __future__ import annotations

import numpy as np
import pytest

from evit_nas.latency.gaussian import Z90
from evit_nas.latency.predictor.interval import Spread, conformal_factor, drift_sd, fit_spread


def drawn(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Errors as ratios, heavy-tailed and growing with the open share, and the summed uncertainty of 1000 us."""
    open_us = rng.uniform(0, 100, count)
    sd = np.hypot(0.01, 0.5 * open_us / 1000)
    return np.exp(rng.standard_t(5, count) * sd), open_us


def test_it_holds_nine_tenths_of_new_networks_in_every_third_of_coverage() -> None:
    rng = np.random.default_rng(0)
    held = []
    for _ in range(20):
        error, open_us = drawn(rng, 300)
        spread = fit_spread(error, np.ones(300), open_us / 1000)
        new, new_open = drawn(rng, 900)
        low, high = spread.bounds(np.ones(900), new_open / 1000)
        inside = ((low <= new) & (new <= high))[np.argsort(new_open)]
        held.append(inside.reshape(3, 300).mean(axis=1))
    assert np.abs(np.mean(held, axis=0) - 0.9).max() < 0.03


def test_the_noise_of_timings_is_taken_out() -> None:
    rng = np.random.default_rng(1)
    own, noise = rng.normal(0, 0.02, 2000), rng.normal(0, 0.02, 2000)
    spread = fit_spread(np.exp(own + noise), np.ones(2000), np.zeros(2000), noise_sd=0.02)
    low, high = spread.bounds(np.ones(2000), np.zeros(2000))
    assert np.mean((low <= np.exp(own)) & (np.exp(own) <= high)) == pytest.approx(0.9, abs=0.02)


def test_few_networks_never_promise_more_than_a_normal_would() -> None:
    assert fit_spread(np.ones(3), np.ones(3), np.zeros(3)).factor == Z90
    assert fit_spread(np.zeros(0), np.zeros(0), np.zeros(0)) == Spread()


def test_the_factor_is_a_finite_sample_quantile() -> None:
    assert conformal_factor(np.arange(1.0, 20.0), np.ones(19)) == 18


def test_worse_coverage_is_wider() -> None:
    sd = Spread().relative_sd(np.full(3, 1000.0), np.array([0.0, 50.0, 400.0]))
    assert sd[0] < sd[1] < sd[2]
    assert sd[2] == pytest.approx(0.4, rel=0.01)


def test_the_machine_s_drift_is_added_and_accidents_are_not() -> None:
    canaries = np.exp(np.random.default_rng(2).normal(0, 0.03, 400))
    assert drift_sd(canaries) == pytest.approx(0.03, rel=0.15)
    assert drift_sd(np.append(canaries, [2.0] * 8)) == pytest.approx(drift_sd(canaries), rel=0.1)
    assert drift_sd(np.zeros(0)) == 0.0
    still, moving = (Spread(drift=drift).bounds(np.ones(1), np.zeros(1))[1] for drift in (0.0, 0.05))
    assert np.log(moving) == pytest.approx(np.hypot(np.log(still), Z90 * 0.05))
