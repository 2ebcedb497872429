"""How long kernels take on one device over another: a Gaussian process on the ratio, from few rows of the new one.

The known device's time of a kernel is split into what is fixed, computed and moved (non-negative least squares by group
of kernels). The prior says that the new device's time is such a sum too, with other prices: for all kernels, for those
of a group, and for what is moved as a function of its size (caches differ). So the ratio is linear in the shares, as
exact as the split is. Shape and what is peculiar to the known device (its time over its own sum) add small terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evit_nas.errors import InputError
from evit_nas.graph.kernel import KernelSignature
from evit_nas.latency.gaussian import Z90
from evit_nas.latency.predictor.base import Floats
from evit_nas.latency.predictor.features import axes, facts
from evit_nas.latency.predictor.kinds import DENSE_KINDS, DEPTHWISE_KIND, MOVE_KINDS, PAD_KINDS, RESIZE_KINDS
from evit_nas.latency.predictor.transfer import conformal_width

Index = NDArray[np.intp]
# Standard deviations of the ratio, relative: of all kernels, of the price of a share (fixed, computed, moved) among all
# kernels and within a group, of a group and a family as such, of what is moved by its size, of channels rounded up to a
# tile, of shape, of what is peculiar to the known device.
CONSTANT, GROUP, FAMILY, SHAPE, PECULIAR = 0.5, 0.15, 0.08, 0.04, 0.5
PRICES = np.array([0.4, 0.3, 0.3])
GROUP_PRICES = np.array([0.5, 0.4, 0.4])
MOVED_BY_SIZE, OCTAVES = 0.3, 2.0
TILES, ROUNDED_UP = (8, 16), 0.5
NOISE, NETWORK_NOISE = 0.02, 0.03  # relative, of a row, and of a whole network against the sum of its kernels
AMPLITUDES = (0.3, 0.5, 0.8, 1.3, 2.0, 3.2)  # how far apart two devices are; the likeliest is taken
LEAST_SHARE = 0.1  # of the usual price, where the known device shows none: the new one may have one
LEAST_RATIO = 0.05
ROUNDS = 4
SPILLS_MIB = (0.5, 2.0, 8.0, 32.0)


@dataclass(frozen=True)
class KernelPrior:
    """K kernels on the known device: microseconds (K,) and what their ratios depend on.

    `shares` (K, 3): fixed, computed and moved over the whole; `shapes` (K, 2): logarithms of work and channels;
    `rounded_up` (K, tiles): how much longer it takes where channels count in whole tiles.
    """

    us: Floats
    group: Index
    family: Index
    shares: Floats
    octaves: Floats
    shapes: Floats
    rounded_up: Floats
    peculiar: Floats

    def covariance(self, left: Index, right: Index, amplitude: float = 1.0) -> Floats:
        """Prior covariance of the ratio between two sets of kernels, shape (left, right)."""
        a, b = self.shares[left], self.shares[right]
        same_group = self.group[left][:, None] == self.group[right][None]
        same_family = self.family[left][:, None] == self.family[right][None]
        distance = np.abs(self.octaves[left][:, None] - self.octaves[right][None]) / OCTAVES
        squared = (self.shapes[left] ** 2).sum(1)[:, None] + (self.shapes[right] ** 2).sum(1)[None]
        shape = np.sqrt(3 * np.maximum(squared - 2 * self.shapes[left] @ self.shapes[right].T, 0.0))
        total = (a * PRICES**2) @ b.T + MOVED_BY_SIZE**2 * np.outer(a[:, 2], b[:, 2]) * np.exp(-distance)
        total += ROUNDED_UP**2 * self.rounded_up[left] @ self.rounded_up[right].T
        total += same_group * (GROUP**2 + (a * GROUP_PRICES**2) @ b.T)
        total += same_family * (FAMILY**2 + SHAPE**2 * (1 + shape) * np.exp(-shape))
        peculiar = PECULIAR**2 * np.outer(self.peculiar[left], self.peculiar[right])
        return np.asarray(CONSTANT**2 + peculiar + amplitude**2 * total)

    def variance(self, amplitude: float = 1.0) -> Floats:
        """Prior variance of each kernel's ratio, shape (K,)."""
        squared = self.shares**2
        total = squared @ (PRICES**2 + GROUP_PRICES**2) + MOVED_BY_SIZE**2 * squared[:, 2]
        total += ROUNDED_UP**2 * (self.rounded_up**2).sum(axis=1)
        total += GROUP**2 + FAMILY**2 + SHAPE**2
        return np.asarray(CONSTANT**2 + PECULIAR**2 * self.peculiar**2 + amplitude**2 * total)


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkTime:
    """A whole network of the new device: its kernels by index, repeated as they stand in it, and their microseconds."""

    kernels: Index
    us: float


@dataclass(frozen=True)
class Transferred:
    """The new device: microseconds of K kernels, their relative standard deviation, and the amplitude that was taken.

    `left_out`: log of measured over predicted of each measured kernel, without itself.
    """

    us: Floats
    relative_sd: Floats
    amplitude: float
    left_out: Floats


def kernel_prior(signatures: Sequence[KernelSignature], us: Floats) -> KernelPrior:
    """`us`: what the known device takes, measured or predicted, shape (K,). Raises MissingCostError."""
    kernels, counts = [axes(signature) for signature in signatures], [facts(signature) for signature in signatures]
    macs = np.array([float(fact.macs) for fact in counts])
    moved = np.array([float(sum(f.tensor_bytes) + s.weight_bytes) for f, s in zip(counts, signatures, strict=True)])
    group = _numbered([_group(kernel.family) for kernel in kernels])
    family = _numbered([f"{kernel.family} {kernel.get('taps'):g}" for kernel in kernels])
    parts = _parts(us, group, macs, moved)
    fitted = parts.sum(axis=1)
    work = np.array([float(max(fact.macs, fact.elements, 1)) for fact in counts])
    channels = np.array([float((1, *(s.outputs[0].shape if s.outputs else ()))[-1]) for s in signatures])
    shares = _with_least(parts, macs, moved) / us[:, None]
    waste = np.array([[_waste(signature, tile) for tile in TILES] for signature in signatures])
    return KernelPrior(
        us=us,
        group=group,
        family=family,
        shares=shares,
        octaves=np.log2(np.maximum(moved, 1.0)),
        shapes=np.stack([np.log(work) / 8, np.log(channels) / 4], axis=1),
        rounded_up=np.clip(shares[:, 1, None] * waste[:, :, 0] + shares[:, 2, None] * waste[:, :, 1], 0.0, 5.0),
        peculiar=np.clip(np.log(us / np.maximum(fitted, 1e-9)), -0.5, 0.5),
    )


def transfer_kernels(
    prior: KernelPrior, measured: Index, us: Floats, networks: Sequence[NetworkTime] = ()
) -> Transferred:
    """Every kernel of the new device from `us` of the kernels `measured` on it, shape (N,). Raises InputError for none.

    `networks`: whole networks timed on it; each says something of all its kernels at once.

    The relative noise of rows makes the noise of a ratio depend on the ratio, so the fit is repeated.
    """
    if len(measured) == 0 or len(measured) != len(us) or not (np.isfinite(us).all() and (us > 0).all()):
        raise InputError(f"transfer: {len(measured)} kernels and {len(us)} times; one positive time a kernel")
    centre = float(np.exp(np.mean(np.log(us / prior.us[measured]))))
    seen = _observed(prior, measured, us, networks, centre)
    return max((_fitted(prior, seen, centre, amplitude) for amplitude in AMPLITUDES), key=lambda found: found[0])[1]


@dataclass(frozen=True)
class _Observed:
    """M ratios over the centre, rows first: each a mean of the ratios of `kernels`, weighted (M, kernels)."""

    kernels: Index
    weights: Floats
    ratio: Floats
    noise: Floats
    rows: int


def _observed(
    prior: KernelPrior, measured: Index, us: Floats, networks: Sequence[NetworkTime], centre: float
) -> _Observed:
    kernels = np.unique(np.concatenate([measured, *(network.kernels for network in networks)]))
    members = [*(np.array([kernel]) for kernel in measured), *(network.kernels for network in networks)]
    known = np.zeros((len(members), len(kernels)))
    for row, own in zip(known, members, strict=True):
        np.add.at(row, np.searchsorted(kernels, own), prior.us[own])
    times, sums = np.r_[us, [network.us for network in networks]], known.sum(axis=1)
    noise = np.where(np.arange(len(members)) < len(measured), NOISE, NETWORK_NOISE)
    return _Observed(kernels, known / sums[:, None], times / sums / centre, noise, len(measured))


def _fitted(prior: KernelPrior, seen: _Observed, centre: float, amplitude: float) -> tuple[float, Transferred]:
    """Log marginal likelihood and the fit."""
    ratio, level = seen.ratio, seen.ratio
    own = seen.weights @ prior.covariance(seen.kernels, seen.kernels, amplitude) @ seen.weights.T
    for _ in range(ROUNDS):
        inverse = np.linalg.inv(own + np.diag((seen.noise * level) ** 2))
        weights = inverse @ (ratio - 1)
        level = np.maximum(1 + own @ weights, LEAST_RATIO)
    likelihood = -0.5 * float((ratio - 1) @ weights) + 0.5 * float(np.linalg.slogdet(inverse)[1])
    cross = prior.covariance(np.arange(len(prior.us)), seen.kernels, amplitude) @ seen.weights.T
    mean = np.maximum(1 + cross @ weights, LEAST_RATIO)
    variance = prior.variance(amplitude) - np.einsum("ij,jk,ik->i", cross, inverse, cross, optimize=True)
    left_out = (ratio - weights / np.diag(inverse))[: seen.rows]
    scores = (np.abs(weights) / np.sqrt(np.diag(inverse)))[: seen.rows]
    return likelihood, Transferred(
        us=prior.us * centre * mean,
        relative_sd=np.sqrt(np.maximum(variance, 0.0)) / mean * conformal_width(scores) / Z90,
        amplitude=amplitude,
        left_out=np.log(ratio[: seen.rows] / np.maximum(left_out, LEAST_RATIO)),
    )


def _waste(signature: KernelSignature, tile: int) -> tuple[float, float]:
    """How much more is computed and moved, relatively, where channels are rounded up to `tile`."""
    tensors = [t for t in (*signature.inputs, *signature.outputs) if t.shape]
    moved = sum(t.size_bytes for t in tensors)
    padded = sum(t.size_bytes * _up(t.shape[-1], tile) for t in tensors)
    work = _up(signature.outputs[0].shape[-1], tile) if signature.outputs and signature.outputs[0].shape else 1.0
    if signature.kind in DENSE_KINDS and signature.inputs:
        work *= _up(signature.inputs[0].shape[-1], tile)
    return work - 1, padded / max(moved, 1) - 1


def _up(channels: int, tile: int) -> float:
    return -(-channels // tile) * tile / channels


def _group(family: str) -> str:
    if family.startswith(("CONV_2D", "FULLY_CONNECTED", "BATCH_MATMUL", DEPTHWISE_KIND)):
        return family
    kind = family.split(" ")[0]
    if kind in RESIZE_KINDS:
        return "resize"
    return "move" if kind in MOVE_KINDS | PAD_KINDS else "pass"


def _numbered(names: Sequence[str]) -> Index:
    return np.unique(names, return_inverse=True)[1].astype(np.intp)


def _parts(us: Floats, group: Index, macs: Floats, moved: Floats) -> Floats:
    """Microseconds fixed, computed and moved, shape (K, 3): relative least squares within each group."""
    from scipy.optimize import nnls

    spills = [moved * np.clip(np.log2(moved / mib / 2**20) / 2, 0.0, 1.0) for mib in SPILLS_MIB]
    columns = np.stack([np.ones(len(us)), macs, moved, *spills], axis=1)
    parts = np.zeros((len(us), 3))
    for number in range(int(group.max()) + 1):
        own = np.flatnonzero(group == number)
        design = columns[own] / us[own, None]
        scale = np.maximum(design.max(axis=0), 1e-12)
        ridge = 0.02 * np.sqrt(len(own)) * np.eye(len(scale))
        solution = nnls(np.vstack([design / scale, ridge]), np.r_[np.ones(len(own)), np.zeros(len(scale))])[0] / scale
        products = columns[own] * solution
        parts[own] = np.stack([products[:, 0], products[:, 1], products[:, 2:].sum(axis=1)], axis=1)
    return parts


def _with_least(parts: Floats, macs: Floats, moved: Floats) -> Floats:
    """`parts`, none below LEAST_SHARE of the usual price: median fixed, and medians of price by amount."""
    amounts = np.stack([np.ones(len(parts)), macs, moved], axis=1)
    prices = parts / np.maximum(amounts, 1.0)
    usual = np.array([np.median(column[column > 0]) if (column > 0).any() else 0.0 for column in prices.T])
    return np.maximum(parts, LEAST_SHARE * usual * amounts)
