from __future__ import annotations

import itertools

import pytest

from evit_nas.accuracy.training.schedule import average_decay, learning_rate


@pytest.mark.parametrize("total", [1, 2, 7, 100, 5000])
def test_warm_up_to_the_peak_then_down_to_nearly_nothing(total: int) -> None:
    rates = [learning_rate(step, total, 0.4, 0.05) for step in range(total)]
    warm = max(1, round(0.05 * total))
    assert rates[warm - 1] == pytest.approx(0.4)
    assert all(a < b for a, b in itertools.pairwise(rates[:warm]))
    assert all(a >= b for a, b in itertools.pairwise(rates[warm - 1 :]))
    assert all(0 < rate <= 0.4 for rate in rates)
    if total >= 100:
        assert rates[-1] < 0.4 * 0.002


def test_a_short_training_has_the_same_shape_as_a_long_one() -> None:
    short = [learning_rate(step, 100, 1.0, 0.1) for step in range(0, 100, 10)]
    long = [learning_rate(step, 10_000, 1.0, 0.1) for step in range(0, 10_000, 1000)]
    assert short[1:] == pytest.approx(long[1:], abs=0.02)


def test_the_average_forgets_the_start_and_then_its_horizon() -> None:
    assert average_decay(0, 1000, 0.05) == pytest.approx(0.1)
    assert average_decay(900, 1000, 0.05) == pytest.approx(1 - 1 / 50)
    assert average_decay(500, 1000, 0.0) == 0.0
