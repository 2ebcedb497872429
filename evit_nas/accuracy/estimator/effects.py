"""What departures from the official family are worth beside capacity: shrunk effects with their covariance.

y = Z g + X b + e over N measured networks: Z are covariates that take what they can (capacity), X are departures, whose
effects b are drawn towards zero as far as the data ask for it. All columns of X share one prior variance on the scale
of one standard deviation; its ratio to the noise maximises the restricted likelihood (Patterson and Thompson 1971), so
that where departures explain nothing all effects vanish.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evit_nas.errors import InputError

Floats = NDArray[np.float64]

RATIOS = np.geomspace(1e-4, 1e2, 61)  # prior variance over noise variance
SPARE = 3  # networks beyond the covariates that a fit needs at least
Z90 = 1.6449  # of a 90 % interval


@dataclass(frozen=True, kw_only=True, slots=True)
class Effects:
    """Effects in points for one unit of each departure. `mean` (F,), `covariance` (F, F), zero where `varied` (F,) is
    false; `noise`: standard deviation of a network's value around the model, in points."""

    names: tuple[str, ...]
    mean: Floats
    covariance: Floats
    varied: NDArray[np.bool_]
    noise: float

    def half_width(self, departures: Floats) -> Floats:
        """Half of the 90 % interval of the summed effects of N networks, departures (N, F)."""
        variance = np.einsum("ij,jk,ik->i", departures, self.covariance, departures)
        return np.asarray(Z90 * np.sqrt(np.maximum(variance, 0.0)))


def fit_effects(names: Sequence[str], x: Floats, z: Floats, y: Floats, seeds: Floats) -> Effects:
    """Fit on departures x (N, F), covariates z (N, C), values y (N,) in points, each the mean over `seeds` (N,).

    Raises InputError where there are too few networks.
    """
    root = np.sqrt(seeds)
    covariates = np.concatenate([np.ones((len(y), 1)), _varying(z)], axis=1) * root[:, None]
    scale = x.std(axis=0)
    varied = scale > 1e-6
    left = _complement(covariates)
    if left.shape[1] < SPARE:
        raise InputError(f"{len(y)} measured networks are too few to tell effects apart from capacity")
    inner = left.T @ (x[:, varied] / scale[varied] * root[:, None])
    mean, covariance, noise = _shrunk(inner, left.T @ (y * root))
    effects, spread = np.zeros(len(scale)), np.zeros((len(scale), len(scale)))
    effects[varied] = mean / scale[varied]
    spread[np.ix_(varied, varied)] = covariance / np.outer(scale[varied], scale[varied])
    return Effects(names=tuple(names), mean=effects, covariance=spread, varied=varied, noise=noise)


def _varying(z: Floats) -> Floats:
    """Standardised columns that vary."""
    spread = z.std(axis=0)
    kept = spread > 1e-9
    return np.asarray((z[:, kept] - z[:, kept].mean(axis=0)) / spread[kept])


def _complement(covariates: Floats) -> Floats:
    """An orthonormal basis (N, N - rank) of all that the covariates leave."""
    basis, singular, _ = np.linalg.svd(covariates)
    rank = int((singular > 1e-8 * singular[0]).sum())
    return np.asarray(basis[:, rank:])


def _shrunk(x: Floats, y: Floats) -> tuple[Floats, Floats, float]:
    """Posterior mean and covariance of the effects, and the noise, at the most likely ratio."""
    count = len(y)
    gram, identity = x @ x.T, np.eye(count)
    best: tuple[float, float, float] | None = None
    for ratio in RATIOS.tolist():
        spread = identity + ratio * gram
        noise = float(y @ np.linalg.solve(spread, y)) / count
        likelihood = -0.5 * (count * np.log(max(noise, 1e-12)) + np.linalg.slogdet(spread)[1])
        if best is None or likelihood > best[0]:
            best = likelihood, ratio, noise
    assert best is not None
    _, ratio, noise = best
    inverse = np.linalg.inv(x.T @ x + np.eye(x.shape[1]) / ratio)
    return np.asarray(inverse @ x.T @ y), np.asarray(noise * inverse), float(np.sqrt(noise))
