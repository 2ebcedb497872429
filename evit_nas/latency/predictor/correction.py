"""From a sum of kernels to a network: what running them together costs, fitted on whole networks.

latency = graph + scale * kernels' sum + overhead * number of kernels + cold * activation megabytes + smoothing * what
the regression says beyond the measured rows. Five numbers, none negative and smoothing below scale, so that one more
kernel never makes a network faster; each is drawn to what holds without evidence (the graph's own row, 1, 0, 0, 0), so
a few networks are enough and none does no harm.

Smoothing: a row is the time of a kernel in one session, with where its memory fell then; the regression has seen
hundreds. For one kernel the row is the better guess, for the sum of a network in another session a mixture is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evit_nas.latency.predictor.base import Floats

FEATURES = ("graph", "kernels_us", "kernels", "activation_mb", "smoothing_us")
PRIOR_SD = np.array([20.0, 0.15, 0.5, 10.0, 0.5])  # us, ratio, us a kernel, us a megabyte, ratio
MOST_SMOOTHING = 0.9  # of the scale
NOISE_SD = 0.02  # relative, of a network's measurement and of what five numbers cannot say
HUBER = 2.0  # standardised residual beyond which a network counts less
ROUNDS = 10


@dataclass(frozen=True, slots=True)
class Correction:
    """Weights of FEATURES, microseconds per unit, shape (5,)."""

    weights: Floats

    def apply_us(self, features: Floats) -> Floats:
        """Network microseconds of N feature rows (N, 5), never below a tenth of the kernels' sum."""
        return np.maximum(features @ self.weights, 0.1 * features[:, 1])


def fit_correction(features: Floats, us: Floats, *, graph_us: float) -> Correction:
    """Ridge regression on relative error towards the prior, robust (Huber weights). `us`: measured (N,)."""
    from scipy.optimize import nnls

    prior = np.array([graph_us, 1.0, 0.0, 0.0, 0.0])
    if len(us) == 0:
        return Correction(prior)
    scaled, target = features / (us * NOISE_SD)[:, None], np.full(len(us), 1 / NOISE_SD)
    counts, solution = np.ones(len(us)), prior
    for _ in range(ROUNDS):
        weighted = scaled * counts[:, None]
        # normal equations, then their Cholesky factor: a problem of five rows, however many networks there are
        factor = np.linalg.cholesky(weighted.T @ scaled + np.diag(1 / PRIOR_SD**2))
        right = np.linalg.solve(factor, weighted.T @ target + prior / PRIOR_SD**2)
        solution = nnls(factor.T, right)[0]
        counts = np.minimum(1.0, HUBER / np.maximum(np.abs(target - scaled @ solution), 1e-9))
    solution[-1] = min(solution[-1], MOST_SMOOTHING * solution[1])
    return Correction(solution)


def leave_one_out_us(features: Floats, us: Floats, *, graph_us: float) -> Floats:
    """Each network's microseconds by a correction fitted without it, shape (N,)."""
    every = np.arange(len(us))
    return np.array(
        [
            fit_correction(features[every != i], us[every != i], graph_us=graph_us).apply_us(features[[i]])[0]
            for i in every
        ]
    )
