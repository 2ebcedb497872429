from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau


def test_tau_is_that_of_scipy_with_ties_and_its_interval_holds_it() -> None:
    from measured.tau import above, tau

    rng = np.random.default_rng(1)
    truth = rng.normal(size=40)
    good, bad = truth + rng.normal(size=40), np.round(rng.normal(size=40))
    near, far = tau(good, truth), tau(bad, truth)
    assert near.value == pytest.approx(kendalltau(good, truth).statistic)
    assert far.value == pytest.approx(kendalltau(bad, truth).statistic)
    assert near.low < near.value < near.high
    assert above(near, far) > 0.95 > 0.05 > above(far, near)
