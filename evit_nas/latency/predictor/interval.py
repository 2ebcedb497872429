"""90 % intervals: conformal on networks that were left out, scaled by how well a network is covered.

A network's own scale is the relative standard deviation `sd` that its kernels' coverage implies. The conformal factor
is the quantile of |ln(measured / predicted)| / sd over networks left out (CV, finite-sample rank). With few networks a
normal quantile stands in. The machine's own drift is added: a table has it divided out, a later measurement has not.
"""

from __future__ import annotations

import numpy as np

from evit_nas.latency.predictor.base import Floats

LEVEL = 0.9
Z90 = 1.6449
MIN_NETWORKS = 10
BASE_SD = 0.02  # relative, of a network all of whose kernels are measured; the factor rescales it to what is seen


def relative_sd(latency_us: Floats, kernel_sd_us: Floats) -> Floats:
    """Relative standard deviation (N,): the base, and the summed uncertainty of kernels without a row."""
    return np.sqrt(BASE_SD**2 + (kernel_sd_us / latency_us) ** 2)


def conformal_factor(measured_us: Floats, left_out_us: Floats, sd: Floats) -> float:
    """How many `sd` hold LEVEL of the networks left out. With few networks never less than the normal quantile."""
    count = len(measured_us)
    if count == 0:
        return Z90
    scores = np.sort(np.abs(np.log(measured_us / left_out_us)) / sd)
    rank = min(count, int(np.ceil(LEVEL * (count + 1))))
    factor = float(scores[rank - 1])
    return factor if count >= MIN_NETWORKS else max(Z90, factor)


def drift_sd(canaries: Floats) -> float:
    """Relative standard deviation of the machine's speed, from the canary's ratio to its first time (N,)."""
    return float(np.sqrt(np.mean(np.log(canaries) ** 2))) if len(canaries) else 0.0


def bounds(latency: Floats, sd: Floats, factor: float, drift: float = 0.0) -> tuple[Floats, Floats]:
    """Low and high of each latency (N,), symmetric in ratio so that both stay above zero."""
    spread = np.exp(np.sqrt((factor * sd) ** 2 + (Z90 * drift) ** 2))
    return latency / spread, latency * spread
