from __future__ import annotations

import numpy as np
import pytest

from evit_nas.latency.predictor.kernel_ratio import KernelPrior, kernel_prior
from evit_nas.latency.table.store import Table


def prior_of(table: Table, guessed_sd: float) -> KernelPrior:
    """As if the known device had guessed every second kernel."""
    us = np.array([row.median_us for row in table.rows])
    return kernel_prior([row.signature for row in table.rows], us, guessed_sd * (np.arange(len(us)) % 2))


@pytest.mark.parametrize("amplitude", [0.3, 2.0])
def test_variance_is_the_diagonal_of_a_covariance(table: Table, amplitude: float) -> None:
    prior = prior_of(table, 0.2)
    every = np.arange(len(prior.us))
    covariance = prior.covariance(every, every, amplitude)
    np.testing.assert_allclose(np.diag(covariance), prior.variance(amplitude))
    assert np.linalg.eigvalsh(covariance).min() > -1e-8 * covariance.max()


def test_a_time_that_the_known_device_guessed_is_less_certain(table: Table) -> None:
    sure, guessed = prior_of(table, 0.0), prior_of(table, 0.2)
    np.testing.assert_allclose(guessed.variance() - sure.variance(), 0.2**2 * (np.arange(len(sure.us)) % 2))


def test_guesses_of_similar_kernels_are_off_alike(table: Table) -> None:
    sure, guessed = prior_of(table, 0.0), prior_of(table, 0.2)
    odd = np.arange(1, len(sure.us), 2)
    added = guessed.covariance(odd, odd) - sure.covariance(odd, odd)
    same_family = guessed.family[odd][:, None] == guessed.family[odd][None]
    assert (added[same_family] > 0).all()
    np.testing.assert_allclose(added[~same_family], 0.0, atol=1e-12)
