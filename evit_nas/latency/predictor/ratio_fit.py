"""How long kernels take on a new device: the ratio to a known one, fitted to rows and whole networks of the new one.

How far the two devices are apart, and how far a network is from the sum of its kernels, are the values under which the
measurements are likeliest. What was measured is then left out in turn, a network together with the rows timed in it (in
closed form: Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, 5.4.2), and the errors tell whether
the standard deviations of the process hold.

Errors of kernels are not independent (a price of their kind is off for all of them), and not alike either: a network
that was timed fixes their sum. So the share of a network's uncertainty in the summed one of its kernels is taken from
the posterior covariance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import sqrt

import numpy as np

from evit_nas.errors import InputError
from evit_nas.latency.gaussian import Z90
from evit_nas.latency.predictor.base import Floats
from evit_nas.latency.predictor.interval import Spread
from evit_nas.latency.predictor.kernel_ratio import Index, KernelPrior
from evit_nas.latency.predictor.transfer import left_out_width

NOISE = 0.02  # relative, of a row
AMPLITUDES = (0.3, 0.5, 0.8, 1.3, 2.0, 3.2)  # how far apart two devices are; the likeliest is taken
NETWORK_NOISES = (0.006, 0.012, 0.02, 0.03, 0.05)  # relative, of a network against the sum of its kernels; likewise
LEAST_RATIO = 0.05
ROUNDS = 4
CHUNK = 500  # kernels at a time: their covariance with all that networks hold would fill the memory


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkTime:
    """A whole network of the new device: its kernels by index, repeated as they stand in it, and their microseconds.

    `rows`: places of the measured rows that were timed in it.
    """

    kernels: Index
    us: float
    rows: Index


@dataclass(frozen=True)
class Transferred:
    """The new device: microseconds of K kernels and their relative standard deviation.

    `left_out`: log of measured over predicted of each measured kernel, without itself; `networks_left_out`: of each
    network, without it and its rows. `spread`: of whole networks, where the uncertainty of kernels is summed.
    """

    us: Floats
    relative_sd: Floats
    left_out: Floats
    networks_left_out: Floats
    spread: Spread


def transfer_kernels(
    prior: KernelPrior,
    measured: Index,
    us: Floats,
    networks: Sequence[NetworkTime] = (),
    members: Sequence[Index] = (),
) -> Transferred:
    """Every kernel of the new device from `us` of the kernels `measured` on it, shape (N,). Raises InputError for none.

    `networks`: whole networks timed on it; each says something of all its kernels at once. `members`: kernels of usual
    networks that were not, for their spread.
    """
    if len(measured) == 0 or len(measured) != len(us) or not (np.isfinite(us).all() and (us > 0).all()):
        raise InputError(f"transfer: {len(measured)} kernels and {len(us)} times; one positive time a kernel")
    centre = float(np.exp(np.mean(np.log(us / prior.us[measured]))))
    seen = _observed(prior, measured, us, networks, centre)
    fit = _likeliest(prior, seen)
    rows = fit.left_out(seen, [np.array([row]) for row in range(seen.rows)])
    whole = fit.left_out(seen, [np.r_[item.rows, seen.rows + place] for place, item in enumerate(networks)])
    common, apart = _with_seen(prior, np.arange(len(prior.us)), seen)
    cross = common + fit.amplitude**2 * apart
    ratio = np.maximum(1 + cross @ fit.weights, LEAST_RATIO)
    variance = prior.variance(fit.amplitude) - np.einsum("ij,jk,ik->i", cross, fit.inverse, cross, optimize=True)
    sd = np.sqrt(np.maximum(variance, 0.0)) * left_out_width(rows.scores) / Z90
    alike = [float(prior.us[member] @ sd[member]) for member in members]
    growth = [
        _together(prior, fit, cross[member], member) / sum_us
        for member, sum_us in zip(members, alike, strict=True)
        if sum_us > 0
    ]
    return Transferred(
        us=prior.us * centre * ratio,
        relative_sd=sd / ratio,
        left_out=rows.log,
        networks_left_out=whole.log,
        spread=Spread(
            base=fit.network_noise, growth=float(np.mean(growth or [1.0])), factor=left_out_width(whole.scores)
        ),
    )


@dataclass(frozen=True)
class _Observed:
    """M ratios over the centre, rows first: each a mean of the ratios of `kernels`, weighted (M, kernels)."""

    kernels: Index
    weights: Floats
    ratio: Floats
    rows: int


@dataclass(frozen=True)
class _Errors:
    """Of what was left out: log of measured over predicted, and how many standard deviations it is off, each (N,)."""

    log: Floats
    scores: Floats


@dataclass(frozen=True)
class _Fit:
    """The process given what was seen: `inverse` (M, M) of its covariance, `weights` (M,), `level` (M,) as fitted."""

    likelihood: float  # log, marginal
    amplitude: float
    network_noise: float
    inverse: Floats
    weights: Floats
    level: Floats

    def left_out(self, seen: _Observed, groups: Sequence[Index]) -> _Errors:
        """Of the last of each group, predicted without the group."""
        log, scores = [], []
        for group in groups:
            covariance = np.linalg.inv(self.inverse[np.ix_(group, group)])
            error, last = float(covariance[-1] @ self.weights[group]), group[-1]
            log.append(np.log(seen.ratio[last] / max(seen.ratio[last] - error, LEAST_RATIO)))
            scores.append(abs(error) / covariance[-1, -1] ** 0.5)
        return _Errors(np.array(log), np.array(scores))


def _observed(
    prior: KernelPrior, measured: Index, us: Floats, networks: Sequence[NetworkTime], centre: float
) -> _Observed:
    kernels = np.unique(np.concatenate([measured, *(network.kernels for network in networks)]))
    members = [*(np.array([kernel]) for kernel in measured), *(network.kernels for network in networks)]
    known = np.zeros((len(members), len(kernels)))
    for row, own in zip(known, members, strict=True):
        np.add.at(row, np.searchsorted(kernels, own), prior.us[own])
    times, sums = np.r_[us, [network.us for network in networks]], known.sum(axis=1)
    return _Observed(kernels, known / sums[:, None], times / sums / centre, len(measured))


def _likeliest(prior: KernelPrior, seen: _Observed) -> _Fit:
    common, apart = (seen.weights @ part for part in _with_seen(prior, seen.kernels, seen))
    noises = NETWORK_NOISES if seen.rows < len(seen.ratio) else NETWORK_NOISES[-1:]
    fits = (_fitted(seen, common + a**2 * apart, a, noise) for a, noise in product(AMPLITUDES, noises))
    return max(fits, key=lambda fit: fit.likelihood)


def _fitted(seen: _Observed, covariance: Floats, amplitude: float, network_noise: float) -> _Fit:
    """The relative noise of rows makes the noise of a ratio depend on the ratio, so the fit is repeated."""
    noise = np.where(np.arange(len(seen.ratio)) < seen.rows, NOISE, network_noise)
    level = seen.ratio
    for _ in range(ROUNDS):
        inverse = np.linalg.inv(covariance + np.diag((noise * level) ** 2))
        weights = inverse @ (seen.ratio - 1)
        level = np.maximum(1 + covariance @ weights, LEAST_RATIO)
    likelihood = -0.5 * float((seen.ratio - 1) @ weights) + 0.5 * float(np.linalg.slogdet(inverse)[1])
    return _Fit(likelihood, amplitude, network_noise, np.asarray(inverse, dtype=np.float64), weights, level)


def _with_seen(prior: KernelPrior, kernels: Index, seen: _Observed) -> tuple[Floats, Floats]:
    """Parts of the prior covariance (`covariance_parts`) of kernels with what was seen, each of shape (K, M)."""
    common, apart = np.zeros((len(kernels), len(seen.ratio))), np.zeros((len(kernels), len(seen.ratio)))
    for start in range(0, len(kernels), CHUNK):
        chunk = slice(start, start + CHUNK)
        parts = prior.covariance_parts(kernels[chunk], seen.kernels)
        common[chunk], apart[chunk] = (part @ seen.weights.T for part in parts)
    return common, apart


def _together(prior: KernelPrior, fit: _Fit, cross: Floats, member: Index) -> float:
    """Standard deviation of a network's sum in the known device's microseconds; `cross` of its kernels."""
    us = prior.us[member]
    explained = us @ cross
    variance = us @ prior.covariance(member, member, fit.amplitude) @ us - explained @ fit.inverse @ explained
    return sqrt(max(float(variance), 0.0))
