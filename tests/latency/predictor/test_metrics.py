from __future__ import annotations

import math

import numpy as np
import pytest

from evit_nas.latency.predictor.metrics import interval_coverage, mape, pair_accuracy, spearman, within

MEASURED = np.array([10.0, 20.0, 40.0, 80.0])


def test_mape_is_in_percent() -> None:
    assert mape(np.array([11.0, 18.0, 40.0, 80.0]), MEASURED) == pytest.approx(5.0)


def test_within_counts_hits() -> None:
    assert within(np.array([10.5, 21.0, 50.0, 80.0]), MEASURED, 0.1) == 0.75


def test_spearman_sees_order_only() -> None:
    assert spearman(MEASURED**2, MEASURED) == pytest.approx(1)
    assert spearman(-MEASURED, MEASURED) == pytest.approx(-1)


def test_interval_coverage() -> None:
    assert interval_coverage(np.array([9, 21, 39, 0.0]), np.array([11, 22, 41, 79.0]), MEASURED) == 0.5


def test_pair_accuracy_looks_at_near_macs_only() -> None:
    macs = np.array([1.0, 1.02, 5.0, 5.1])
    assert pair_accuracy(np.array([1.0, 2.0, 4.0, 3.0]), MEASURED, macs) == 0.5
    assert math.isnan(pair_accuracy(MEASURED, MEASURED, np.array([1.0, 2.0, 4.0, 8.0])))
