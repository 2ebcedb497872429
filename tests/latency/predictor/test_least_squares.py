"""The calibration's arithmetic, on rows whose coefficients are known."""

from __future__ import annotations

import numpy as np
import pytest

from evit_nas.latency.predictor.features import COST_COLUMNS
from evit_nas.latency.predictor.least_squares import (
    Rows,
    choose,
    covariance,
    fit,
    folding,
    leave_one_out,
    nested_errors,
    relative_errors,
)
from evit_nas.latency.predictor.recipes import RECIPES, Recipe

TRUE = Recipe(ramp="8-32", depthwise_weight=2.0, elementwise_weight=0.0, pad_column=True, kernel_column=False)


@pytest.fixture(scope="module")
def rows() -> Rows:
    rng = np.random.default_rng(1)
    columns = rng.uniform(0.1, 3.0, (14, len(COST_COLUMNS)))
    columns[:, COST_COLUMNS.index("kernels")] = rng.integers(100, 500, 14)
    return Rows(columns, columns @ folding(TRUE) @ np.array([34.0, 45.0, 60.0]), np.full(14, 1e-3))


def test_fit_recovers_the_coefficients(rows: Rows) -> None:
    np.testing.assert_allclose(fit(rows, TRUE), folding(TRUE) @ np.array([34.0, 45.0, 60.0]), rtol=1e-6, atol=1e-9)


def test_choice_finds_the_recipe_that_made_the_rows(rows: Rows) -> None:
    assert choose(rows, RECIPES) == TRUE


def test_coefficients_are_never_negative(rows: Rows) -> None:
    noisy = Rows(rows.columns, rows.ms * np.random.default_rng(2).uniform(0.5, 2, len(rows)), rows.half_rounding_ms)
    assert all((fit(noisy, recipe) >= 0).all() for recipe in RECIPES)


def test_leave_one_out_really_leaves_the_row_out(rows: Rows) -> None:
    ms = rows.ms.copy()
    ms[3] *= 2
    spoiled = Rows(rows.columns, ms, rows.half_rounding_ms)
    assert leave_one_out(spoiled, TRUE)[3] == pytest.approx(-0.5, abs=1e-6)


def test_nested_errors_leave_whole_groups_out(rows: Rows) -> None:
    labels = ["a"] * 4 + ["b"] * 10
    ms = rows.ms.copy()
    ms[:4] *= 2
    errors = nested_errors(Rows(rows.columns, ms, rows.half_rounding_ms), (TRUE,), labels)
    np.testing.assert_allclose(errors[:4], -0.5, atol=1e-6)


def test_a_rough_figure_counts_less() -> None:
    index = COST_COLUMNS.index("dense_gmac")
    columns = np.zeros((2, len(COST_COLUMNS)))
    columns[:, index] = 1.0
    plain = Recipe(ramp="all", depthwise_weight=1.0, elementwise_weight=0.0, pad_column=False, kernel_column=False)
    exact = fit(Rows(columns, np.array([30.0, 40.0]), np.array([0.5, 20.0])), plain)[index]
    assert exact == pytest.approx(30, abs=1)


def test_covariance_is_wider_away_from_the_rows(rows: Rows) -> None:
    only_dense = np.zeros_like(rows.columns)
    only_dense[:, 0] = rows.columns[:, 0]
    known = Rows(only_dense, 34 * only_dense[:, 0], rows.half_rounding_ms)
    spread = covariance(known, np.full(len(COST_COLUMNS), 34.0), np.full(len(COST_COLUMNS), 34.0))
    assert spread[0, 0] < 1
    assert spread[1, 1] == pytest.approx(34.0**2)


def test_relative_errors_are_signed(rows: Rows) -> None:
    assert (relative_errors(rows, 1.1 * folding(TRUE) @ np.array([34.0, 45.0, 60.0])) > 0.09).all()
