"""Covariance of what physical terms leave over on public blocks, in log time, and its likeliest parameters.

Two processes and white noise. `slow`: Matern 5/2 in all features, a length each. `session`: Matern 3/2 in the output
channels, within one shape family: its blocks were timed one after the other, and a phone that is busy or hot is slow
for several in a row, whatever their shapes. Other families know nothing of it. Parameters are logarithms with a normal
prior about the start, so that few rows keep to it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evit_nas.latency.predictor.base import Floats

SLOW_SD, SESSION_SD, NOISE_SD = 0.04, 0.03, 0.01  # relative, to start from
SESSION_CHANNELS = 16.0  # to start from
PRIOR_SD = 1.0  # of the logarithm of a parameter
ITERATIONS = 35
IMPOSSIBLE = 1e10  # how surprising a covariance is that cannot be factored
CHUNK = 512  # blocks whose parts are held in memory at once


@dataclass(frozen=True, slots=True)
class Inputs:
    """N blocks of one kind: features (N, d), a number for each shape family (N,), output channels (N,)."""

    features: Floats
    family: NDArray[np.int64]
    channels: Floats

    def take(self, index: NDArray[np.intp]) -> Inputs:
        return Inputs(self.features[index], self.family[index], self.channels[index])


@dataclass(frozen=True, slots=True)
class Parts:
    """Covariances of N by M blocks by process, without noise. `slope` times the squared distance in a feature over its
    squared length is the derivative of `slow` by the log of that length; `apart`: in output channels, in units of
    their length over the root of 3."""

    slow: Floats
    slope: Floats
    session: Floats
    apart: Floats


@dataclass(frozen=True, slots=True)
class ResidualKernel:
    """Relative standard deviations of the processes and of the noise; lengths in channels and in features (d,)."""

    slow: float
    session: float
    session_channels: float
    noise: float
    lengths: Floats

    def covariance(self, left: Inputs, right: Inputs) -> Floats:
        """Without noise, shape (len(left), len(right))."""
        chunks = np.array_split(np.arange(len(left.channels)), len(left.channels) // CHUNK + 1)
        parts = [self.parts(left.take(chunk), right) for chunk in chunks]
        return np.vstack([part.slow + part.session for part in parts])

    def parts(self, left: Inputs, right: Inputs) -> Parts:
        far = np.sqrt(5 * _squared(left.features / self.lengths, right.features / self.lengths))
        apart = np.sqrt(3) * np.abs(left.channels[:, None] - right.channels) / self.session_channels
        same = left.family[:, None] == right.family
        fading = self.slow**2 * np.exp(-far)
        return Parts(
            slow=fading * (1 + far + far**2 / 3),
            slope=fading * (1 + far) * 5 / 3,
            session=self.session**2 * same * (1 + apart) * np.exp(-apart),
            apart=apart,
        )

    @property
    def variance(self) -> float:
        """Of one block, noise included."""
        return self.slow**2 + self.session**2 + self.noise**2


def starting_kernel(lengths: Floats) -> ResidualKernel:
    """What is assumed before any row: `lengths` (d,) of the slow process."""
    return ResidualKernel(SLOW_SD, SESSION_SD, SESSION_CHANNELS, NOISE_SD, lengths)


def likeliest(start: ResidualKernel, inputs: Inputs, residual: Floats) -> ResidualKernel:
    """The parameters of greatest posterior for `residual` (N,), with a prior about `start`."""
    from scipy.optimize import minimize

    centre = _packed(start)

    def surprise(packed: Floats) -> tuple[float, Floats]:
        value, gradient = _surprise(_unpacked(packed), inputs, residual)
        away = (packed - centre) / PRIOR_SD
        return value + 0.5 * float(away @ away), gradient + away / PRIOR_SD

    found = minimize(surprise, centre, jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS})
    return _unpacked(np.asarray(found.x))


def _packed(kernel: ResidualKernel) -> Floats:
    own = (kernel.slow, kernel.session, kernel.session_channels, kernel.noise)
    return np.asarray(np.log(np.r_[own, kernel.lengths]))


def _unpacked(packed: Floats) -> ResidualKernel:
    slow, session, session_channels, noise, *lengths = np.exp(packed).tolist()
    return ResidualKernel(slow, session, session_channels, noise, np.array(lengths))


def _surprise(kernel: ResidualKernel, inputs: Inputs, residual: Floats) -> tuple[float, Floats]:
    """Negative log marginal likelihood, but for a constant, and its gradient in the order of `_packed`.

    The derivative by a parameter is half the trace of W dK, W = K^-1 - a a' (Rasmussen and Williams, 2006, equation
    5.9). For a length, that is a sum over pairs of weights times (x - x')^2: two matrix products serve all lengths.
    """
    parts = kernel.parts(inputs, inputs)
    try:
        inverse, log_determinant = inverted(parts.slow + parts.session + kernel.noise**2 * np.eye(len(residual)))
    except np.linalg.LinAlgError:
        return IMPOSSIBLE, np.zeros(4 + len(kernel.lengths))
    weights = inverse @ residual
    w = inverse - np.outer(weights, weights)
    pairs, x = w * parts.slope, inputs.features
    lengths = ((x**2 * pairs.sum(axis=1)[:, None]).sum(axis=0) - (x * (pairs @ x)).sum(axis=0)) / kernel.lengths**2
    shorter = parts.session * parts.apart**2 / (1 + parts.apart) / 2
    scales = [(w * part).sum() for part in (parts.slow, parts.session, shorter)]
    value = 0.5 * (float(residual @ weights) + log_determinant)
    return value, np.r_[scales, np.trace(w) * kernel.noise**2, lengths]


def inverted(covariance: Floats) -> tuple[Floats, float]:
    """Inverse and log determinant of a covariance (N, N). Raises LinAlgError where it is not positive definite."""
    from scipy.linalg import lapack

    factor, failed = lapack.dpotrf(covariance, lower=1)
    if failed:
        raise np.linalg.LinAlgError(f"not positive definite from row {failed}")
    lower = np.tril(lapack.dpotri(factor, lower=1)[0])
    return lower + np.tril(lower, -1).T, 2 * float(np.log(np.diag(factor)).sum())


def _squared(left: Floats, right: Floats) -> Floats:
    """Squared distances of rows, shape (len(left), len(right))."""
    total = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1) - 2 * left @ right.T
    return np.asarray(np.maximum(total, 0.0))
