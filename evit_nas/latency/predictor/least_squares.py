"""The calibration's arithmetic: non-negative least squares on relative error, and the choice of a recipe.

Rows are networks: summed cost columns (N, C) in the order of COST_COLUMNS, milliseconds (N,) and half the last printed
digit in milliseconds (N,). Coefficients are milliseconds per unit of each column, shape (C,).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evit_nas.latency.predictor.base import Floats
from evit_nas.latency.predictor.features import COST_COLUMNS
from evit_nas.latency.predictor.recipes import Recipe

MODEL_SD = 0.03  # relative error that even a right recipe leaves


@dataclass(frozen=True, slots=True)
class Rows:
    """Networks with a known time."""

    columns: Floats
    ms: Floats
    half_rounding_ms: Floats

    def __len__(self) -> int:
        return len(self.ms)

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Rows:
        return Rows(self.columns[chosen], self.ms[chosen], self.half_rounding_ms[chosen])

    def without(self, index: int) -> Rows:
        return self.take(np.arange(len(self)) != index)

    @property
    def relative_sd(self) -> Floats:
        """Model error and the rounding of the printed figure (uniform within half a digit), relative, shape (N,)."""
        return np.sqrt(MODEL_SD**2 + (self.half_rounding_ms / self.ms) ** 2 / 3)


def folding(recipe: Recipe) -> Floats:
    """Matrix (C, K) that folds the cost columns into those of `recipe`."""

    def column(**weights: float) -> list[float]:
        return [weights.get(name, 0.0) for name in COST_COLUMNS]

    compute = column(dense_gmac=1.0, depthwise_gmac=recipe.depthwise_weight, elementwise_g=recipe.elementwise_weight)
    columns = [compute, column(**{f"traffic_gb {recipe.ramp}": 1.0})]
    if recipe.pad_column:
        columns.append(column(pad_gb=1.0))
    if recipe.kernel_column:
        columns.append(column(kernels=1.0))
    return np.array(columns).T


def fit(rows: Rows, recipe: Recipe) -> Floats:
    """Coefficients (C,) of `recipe`: non-negative, least squares of (predicted / ms - 1) / relative_sd."""
    from scipy.optimize import nnls

    fold = folding(recipe)
    weight = 1 / rows.relative_sd
    solution = nnls(rows.columns @ fold * (weight / rows.ms)[:, None], weight)[0]
    return np.asarray(fold @ solution, dtype=np.float64)


def relative_errors(rows: Rows, coefficients: Floats) -> Floats:
    """Predicted over known time, minus one, shape (N,)."""
    return rows.columns @ coefficients / rows.ms - 1


def leave_one_out(rows: Rows, recipe: Recipe) -> Floats:
    """Relative error of each row from a fit without it, shape (N,)."""
    errors = [relative_errors(rows.take(np.array([i])), fit(rows.without(i), recipe))[0] for i in range(len(rows))]
    return np.array(errors)


def choose(rows: Rows, recipes: Sequence[Recipe]) -> Recipe:
    """The recipe with the fewest columns within one standard error of the least leave-one-out error (the usual rule;
    among equals the least error)."""
    errors = [np.abs(leave_one_out(rows, recipe)) for recipe in recipes]
    means = np.array([error.mean() for error in errors])
    best = int(means.argmin())
    limit = means[best] + errors[best].std(ddof=1) / np.sqrt(len(rows))
    eligible = [i for i in range(len(recipes)) if means[i] <= limit]
    return recipes[min(eligible, key=lambda i: (folding(recipes[i]).shape[1], means[i]))]


def nested_errors(rows: Rows, recipes: Sequence[Recipe], labels: Sequence[str]) -> Floats:
    """Relative errors (N,) with every group of equal label left out in turn, the recipe chosen without it."""
    errors = np.zeros(len(rows))
    names = np.array(labels)
    for label in dict.fromkeys(labels):
        out = names == label
        training = rows.take(~out)
        errors[out] = relative_errors(rows.take(out), fit(training, choose(training, recipes)))
    return errors


def covariance(rows: Rows, coefficients: Floats, prior_sd: Floats) -> Floats:
    """Covariance (C, C) of the coefficients: what the rows leave open of independent priors of width `prior_sd` (C,).

    The posterior of a Bayesian linear regression. Columns that always move together in the rows stay uncertain apart
    and certain together, so a network unlike the rows gets a wider interval.
    """
    scaled = rows.columns / (rows.ms * rows.relative_sd)[:, None]
    precision = scaled.T @ scaled + np.diag(1 / prior_sd**2)
    return np.asarray(np.linalg.inv(precision), dtype=np.float64)
