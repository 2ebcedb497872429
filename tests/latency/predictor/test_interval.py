from __future__ import annotations

import numpy as np
import pytest

from evit_nas.latency.predictor.interval import Z90, bounds, conformal_factor, relative_sd


def test_it_holds_nine_tenths_of_new_networks() -> None:
    rng = np.random.default_rng(0)
    held = []
    for _ in range(200):
        error = np.exp(rng.standard_t(4, 60) * 0.03)
        sd = np.full(60, 0.02)
        factor = conformal_factor(error[:40], np.ones(40), sd[:40])
        low, high = bounds(np.ones(20), sd[40:], factor)
        held.append(((low <= error[40:]) & (error[40:] <= high)).mean())
    assert 0.88 <= np.mean(held) <= 0.94


def test_few_networks_never_promise_more_than_a_normal_would() -> None:
    assert conformal_factor(np.ones(3), np.ones(3), np.full(3, 0.02)) == Z90
    assert conformal_factor(np.zeros(0), np.zeros(0), np.zeros(0)) == Z90


def test_worse_coverage_is_wider() -> None:
    sd = relative_sd(np.full(3, 1000.0), np.array([0.0, 50.0, 400.0]))
    assert sd[0] < sd[1] < sd[2]
    assert sd[2] == pytest.approx(0.4, rel=0.01)
