from __future__ import annotations

import numpy as np
import pytest

from evit_nas.accuracy.estimator.effects import fit_effects
from evit_nas.errors import InputError

NAMES = ("real", "idle", "constant")


def _data(effect: float, seed: int = 0):
    rng = np.random.default_rng(seed)
    x = np.concatenate([rng.normal(size=(60, 2)), np.ones((60, 1))], axis=1)
    size = rng.normal(size=(60, 1)) + 0.5 * x[:, :1]  # larger networks have more of the real thing
    values = 50 + 3 * size[:, 0] + effect * x[:, 0] + rng.normal(0, 0.3, 60)
    return x, size, values


def test_an_effect_is_found_beside_capacity_and_the_interval_holds_it() -> None:
    x, size, values = _data(1.0)
    effects = fit_effects(NAMES, x, size, values, np.ones(60))
    half = effects.half_width(np.eye(3))
    assert abs(effects.mean[0] - 1.0) < half[0] < 0.3
    assert abs(effects.mean[1]) < 0.15
    assert effects.noise == pytest.approx(0.3, abs=0.1)
    assert effects.varied.tolist() == [True, True, False]
    assert effects.mean[2] == half[2] == 0


def test_effects_vanish_where_departures_explain_nothing() -> None:
    shrunk = [np.abs(fit_effects(NAMES, *_data(0.0, seed), np.ones(60)).mean).max() for seed in range(8)]
    assert np.median(shrunk) < 0.03  # least squares: 0.05


def test_more_seeds_count_more() -> None:
    x, size, values = _data(1.0)
    values[:30] += 2 * x[:30, 1]  # says that the idle one is worth 2
    few, many = (fit_effects(NAMES, x, size, values, np.where(np.arange(60) < 30, w, 1.0)).mean[1] for w in (1.0, 9.0))
    assert 0.5 < few < many < 2.2


def test_too_few_networks_are_refused() -> None:
    with pytest.raises(InputError, match="4 measured networks are too few"):
        fit_effects(("a",), np.ones((4, 1)), np.random.default_rng(0).normal(size=(4, 2)), np.ones(4), np.ones(4))
