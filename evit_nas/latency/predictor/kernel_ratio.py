"""How long kernels take on one device over another: the prior of a Gaussian process on their ratio.

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

from evit_nas.graph.kernel import KernelSignature
from evit_nas.latency.predictor.base import Floats
from evit_nas.latency.predictor.features import axes, facts
from evit_nas.latency.predictor.kinds import DENSE_KINDS, DEPTHWISE_KIND, MOVE_KINDS, PAD_KINDS, RESIZE_KINDS

Index = NDArray[np.intp]
# Standard deviations of the ratio, relative: of all kernels, of the price of a share (fixed, computed, moved) among all
# kernels and within a group, of a group and a family as such, of what is moved by its size, of channels rounded up to a
# tile, of shape, of what is peculiar to the known device.
CONSTANT, GROUP, FAMILY, SHAPE, PECULIAR = 0.5, 0.15, 0.08, 0.04, 0.5
PRICES = np.array([0.4, 0.3, 0.3])
GROUP_PRICES = np.array([0.5, 0.4, 0.4])
MOVED_BY_SIZE, OCTAVES = 0.3, 2.0
TILES, ROUNDED_UP = (8, 16), 0.5
LEAST_SHARE = 0.1  # of the usual price, where the known device shows none: the new one may have one
GUESSED_ALIKE = 0.5  # share of the variance of a guessed time that is off alike for similar kernels
SPILLS_MIB = (0.5, 2.0, 8.0, 32.0)


@dataclass(frozen=True)
class KernelPrior:
    """K kernels on the known device: microseconds (K,) and what their ratios depend on.

    `shares` (K, 3): fixed, computed and moved over the whole; `shapes` (K, 2): logarithms of work and channels;
    `rounded_up` (K, tiles): how much longer it takes where channels count in whole tiles; `guessed` (K,): relative
    standard deviation of a time that the known device was not measured for, 0 where it was.
    """

    us: Floats
    group: Index
    family: Index
    shares: Floats
    octaves: Floats
    shapes: Floats
    rounded_up: Floats
    peculiar: Floats
    guessed: Floats

    def covariance(self, left: Index, right: Index, amplitude: float = 1.0) -> Floats:
        """Prior covariance of the ratio between two sets of kernels, shape (left, right).

        `amplitude`: how far apart the two devices are, beside one factor for all kernels.
        """
        common, apart = self.covariance_parts(left, right)
        return common + amplitude**2 * apart

    def covariance_parts(self, left: Index, right: Index) -> tuple[Floats, Floats]:
        """What the amplitude does not scale, and what it does at amplitude 1."""
        a, b = self.shares[left], self.shares[right]
        same_group = self.group[left][:, None] == self.group[right][None]
        same_family = self.family[left][:, None] == self.family[right][None]
        distance = np.abs(self.octaves[left][:, None] - self.octaves[right][None]) / OCTAVES
        squared = (self.shapes[left] ** 2).sum(1)[:, None] + (self.shapes[right] ** 2).sum(1)[None]
        shape = np.sqrt(3 * np.maximum(squared - 2 * self.shapes[left] @ self.shapes[right].T, 0.0))
        total = (a * PRICES**2) @ b.T + MOVED_BY_SIZE**2 * np.outer(a[:, 2], b[:, 2]) * np.exp(-distance)
        total += ROUNDED_UP**2 * self.rounded_up[left] @ self.rounded_up[right].T
        total += same_group * (GROUP**2 + (a * GROUP_PRICES**2) @ b.T)
        alike = same_family * (1 + shape) * np.exp(-shape)
        total += FAMILY**2 * same_family + SHAPE**2 * alike
        peculiar = PECULIAR**2 * np.outer(self.peculiar[left], self.peculiar[right])
        same = left[:, None] == right[None]
        guesses = np.outer(self.guessed[left], self.guessed[right])
        guesses *= GUESSED_ALIKE * alike + (1 - GUESSED_ALIKE) * same
        return np.asarray(CONSTANT**2 + peculiar + guesses), np.asarray(total)

    def variance(self, amplitude: float = 1.0) -> Floats:
        """Prior variance of each kernel's ratio, shape (K,)."""
        squared = self.shares**2
        total = squared @ (PRICES**2 + GROUP_PRICES**2) + MOVED_BY_SIZE**2 * squared[:, 2]
        total += ROUNDED_UP**2 * (self.rounded_up**2).sum(axis=1)
        total += GROUP**2 + FAMILY**2 + SHAPE**2
        common = CONSTANT**2 + PECULIAR**2 * self.peculiar**2 + self.guessed**2
        return np.asarray(common + amplitude**2 * total)


def kernel_prior(signatures: Sequence[KernelSignature], us: Floats, guessed: Floats) -> KernelPrior:
    """`us`: what the known device takes, measured or predicted, shape (K,); `guessed` as in KernelPrior.

    Raises MissingCostError.
    """
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
        guessed=guessed,
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
