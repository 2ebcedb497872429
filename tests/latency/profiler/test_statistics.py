"""Medians of whole microseconds are interpolated; intervals hold what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from evit_nas.latency.profiler.statistics import (
    Centre,
    centre_of,
    centre_of_mean,
    centre_of_ticks,
    centre_over_rounds,
    cut_off_half,
)


@pytest.mark.parametrize("true_us", [3.2, 7.5, 40.9])
def test_truncated_ticks_give_the_true_median_back(true_us: float) -> None:
    noise = np.random.default_rng(0).normal(0, 0.8, 4000)
    centre = centre_of_ticks(np.floor(true_us + noise), truncated=True)
    assert centre.median == pytest.approx(true_us, abs=0.08)
    assert centre.low < true_us < centre.high


def test_untruncated_ticks_have_no_offset() -> None:
    centre = centre_of_ticks(np.array([9.0, 10.0, 10.0, 11.0]), truncated=False)
    assert centre.median == pytest.approx(10.0)


def test_a_time_below_one_tick_is_never_zero() -> None:
    centre = centre_of_ticks(np.zeros(10), truncated=True)
    assert 0 < centre.low <= centre.median <= centre.high < 1


def test_outliers_do_not_move_the_median() -> None:
    samples = np.array([100.0] * 15 + [5000.0] * 5)
    assert centre_of(samples).median == 100.0


def test_the_interval_of_the_median_covers_it_95_percent_of_the_time() -> None:
    random = np.random.default_rng(1)
    centres = [centre_of(random.normal(100, 5, 25)) for _ in range(400)]
    share = np.mean([centre.low <= 100 <= centre.high for centre in centres])
    assert 0.92 <= share <= 0.99


def test_two_rounds_are_as_far_apart_as_they_are() -> None:
    centre = centre_over_rounds([Centre(median=10.0, low=9.9, high=10.1), Centre(median=11.0, low=10.9, high=11.1)])
    assert (centre.median, centre.low, centre.high) == (10.5, 9.5, 11.5)


def test_agreeing_rounds_are_no_surer_than_processes_are_alike() -> None:
    same = [Centre(median=10.0, low=10.0, high=10.0)] * 3
    assert centre_over_rounds(same, least=0.02).high == pytest.approx(10.2)


@pytest.mark.parametrize(("samples", "half"), [([3.0] * 20, 0.475), ([3.0, 4.0] * 10, 0.0), ([2.0, 5.0] * 10, 0.0)])
def test_what_cutting_off_hides(samples: list[float], half: float) -> None:
    assert cut_off_half(float(np.std(samples))) == pytest.approx(half)


def test_the_interval_of_a_mean_covers_it_95_percent_of_the_time_however_few_samples() -> None:
    random = np.random.default_rng(2)
    for count in (3, 6, 20):
        drawn = random.normal(100, 5, (600, count))
        centres = [centre_of_mean(float(own.mean()), float(own.std()), count) for own in drawn]
        assert 0.92 <= np.mean([centre.low <= 100 <= centre.high for centre in centres]) <= 0.98
    assert centre_of_mean(7.0, 0.0, 1) == Centre(median=7.0, low=7.0, high=7.0)
