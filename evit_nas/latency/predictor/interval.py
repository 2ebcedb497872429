"""90 % intervals: conformal on networks that were left out, wider the less of a network is measured.

A network's own scale is the relative standard deviation sqrt(base^2 + (growth * open)^2): `open` is the summed
uncertainty of its kernels without a row as a share of its latency. Base and growth are those under which the errors of
the networks left out are likeliest (Student's t, so that single bad timings do not decide); the conformal factor is the
quantile of |ln(measured / predicted)| / sd over them (CV, finite-sample rank).

The interval is of a latency that will be measured. The noise of the single timings in the table is taken out of it; how
far the machine's speed moves (the reference model's, from its first time) is added, since a table has that divided out
and a later measurement has not.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from evit_nas.latency.gaussian import Z90, robust_sd
from evit_nas.latency.predictor.base import Floats

LEVEL = 0.9
MIN_NETWORKS = 10
BASE_SD = 0.02  # relative, of a network all of whose kernels are measured, where no networks say more
BASES = np.geomspace(0.004, 0.1, 24)
GROWTHS = np.concatenate([np.linspace(0.1, 1.0, 10), np.geomspace(1.25, 4.0, 6)])  # never 0: wider where less is known
FREEDOM = 4.0  # of Student's t
LEAST_LEFT = 0.3  # share of the spread that stays, however noisy the timings were


@dataclass(frozen=True, slots=True)
class Spread:
    """How far predictions are off: `base` and `growth` (see above), how many hold LEVEL, the machine's drift."""

    base: float = BASE_SD
    growth: float = 1.0
    factor: float = Z90
    drift: float = 0.0

    def relative_sd(self, latency_us: Floats, kernel_sd_us: Floats) -> Floats:
        """Relative standard deviation (N,) of networks from the summed uncertainty of their kernels without a row."""
        return np.sqrt(self.base**2 + (self.growth * kernel_sd_us / latency_us) ** 2)

    def bounds(self, latency_us: Floats, kernel_sd_us: Floats) -> tuple[Floats, Floats]:
        """Low and high of each latency (N,), symmetric in ratio so that both stay above zero."""
        reach = np.exp(np.hypot(self.factor * self.relative_sd(latency_us, kernel_sd_us), Z90 * self.drift))
        return latency_us / reach, latency_us * reach


def fit_spread(measured_us: Floats, left_out_us: Floats, kernel_sd_us: Floats, *, noise_sd: float = 0.0) -> Spread:
    """From N networks, each predicted without itself. `noise_sd`: relative, of their measured times.

    With fewer than MIN_NETWORKS the default scale stands, and never less than the normal quantile of it.
    """
    if len(measured_us) == 0:
        return Spread()
    errors, share = np.abs(np.log(measured_us / left_out_us)), kernel_sd_us / left_out_us
    if len(errors) < MIN_NETWORKS:
        default = Spread()
        return Spread(factor=max(Z90, conformal_factor(errors, default.relative_sd(left_out_us, kernel_sd_us))))
    base, growth = min(
        product(BASES.tolist(), GROWTHS.tolist()),
        key=lambda scale: _surprise(errors, np.hypot(scale[0], scale[1] * share)),
    )
    sd = np.hypot(base, growth * share)
    kept = np.sqrt(np.maximum(1 - (noise_sd / _robust_sd(errors)) ** 2, LEAST_LEFT**2))
    return Spread(base, growth, conformal_factor(errors, sd) * float(kept))


def drift_sd(canaries: Floats) -> float:
    """Relative standard deviation of the machine's speed, from N times of the reference model over its first one.

    Robust: a round in which other load doubled the time is an accident, not the speed of the machine.
    """
    return robust_sd(np.log(canaries)) if len(canaries) else 0.0


def conformal_factor(errors: Floats, sd: Floats) -> float:
    """How many `sd` hold LEVEL of the absolute errors (N,)."""
    scores = np.sort(errors / sd)
    rank = min(len(scores), int(np.ceil(LEVEL * (len(scores) + 1))))
    return float(scores[rank - 1])


def _surprise(errors: Floats, sd: Floats) -> float:
    """Negative log likelihood of the errors, but for a constant."""
    return float(np.sum(np.log(sd) + (FREEDOM + 1) / 2 * np.log1p((errors / sd) ** 2 / FREEDOM)))


def _robust_sd(errors: Floats) -> float:
    return max(robust_sd(errors), 1e-6)
