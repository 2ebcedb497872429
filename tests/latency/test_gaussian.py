from math import exp

import pytest

from evit_nas.latency.gaussian import Z95, relative_sd


def test_the_spread_of_an_interval_symmetric_in_ratio_is_found_again() -> None:
    assert relative_sd(10 / exp(Z95 * 0.2), 10 * exp(Z95 * 0.2)) == pytest.approx(0.2)


def test_a_narrow_interval_has_its_half_width_over_the_quantile() -> None:
    assert relative_sd(99.0, 101.0) == pytest.approx(0.01 / Z95, rel=1e-3)
