"""Accuracy from the published rows alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evit_nas.accuracy.estimator.anchors import Anchor, Curve, fit, read_ablation, read_anchors, sides
from evit_nas.accuracy.estimator.base import AccuracyBatch, AccuracyEstimate
from evit_nas.accuracy.estimator.capacity import Parts, block_terms, parts
from evit_nas.accuracy.estimator.departures import describe
from evit_nas.accuracy.estimator.uncertainty import Band, LeftOut, band, leave_one_out
from evit_nas.errors import InputError, nearest
from evit_nas.graph.blocks import Block, layout
from evit_nas.space.arch import ArchConfig, ClsHead, Resolution

Floats = NDArray[np.float64]
Source = Literal["published", "published-ade20k", "published-cls"]

PUBLISHED_SOURCES: tuple[Source, ...] = ("published", "published-ade20k", "published-cls")
LABEL = "estimate (published anchors)"
EVIDENCE = frozenset({"width", "depth", "resolution", "head"})


class PublishedEstimator:
    """Estimate anchored on the published rows: Cityscapes mIoU, ADE20K mIoU or ImageNet top-1, in percent.

    The rows vary one scaling axis (B0 to B3) and the input size, so a network earns by its position on that axis and by
    its resolution, and by nothing else: kernel, expand, activation, heads ratio or scales beyond the official ones earn
    nothing. Its position is the mean over its parts; the lower bound counts the weakest part as much as the mean, the
    upper one the strongest, since no published row scales a part alone. A head at stride 16 counts as an input of up to
    half the side. Attention and its scales are worth what Table 3 says (Cai et al., ICCV 2023; B0 on Cityscapes at
    equal MACs: 74.5 with both, 72.2 without scales, 68.1 without either), in proportion to the blocks of stages 3 and 4
    that lack them; for the other two sources that is a transfer.

    Mean absolute error, leaving one network out (all its resolutions together, everything fitted again): Cityscapes
    0.37 points (B0 +0.5, B1 -0.1, B2 +0.0, B3 -0.8: above the largest anchor nothing is earned), ADE20K 1.52
    (-1.0, +0.4, -3.2), ImageNet 0.71 (+1.1, -0.3, +0.2, -1.2). `loo_error` holds it.

    The 90 % interval is made of those residuals and widens away from the anchors (uncertainty.band); four networks
    cannot calibrate it, so its rate is the largest residual seen.
    """

    label = LABEL
    evidence = EVIDENCE

    def __init__(self, source: Source = "published") -> None:
        if source not in PUBLISHED_SOURCES:
            raise InputError(f"accuracy source {source!r}: {nearest(source, PUBLISHED_SOURCES)}")
        self.source = source
        self.anchors, self.curve, self._band, self.left_out = _fitted(source)
        self.loo_error = float(np.mean([network.error for network in self.left_out]))
        ablation = read_ablation()
        full = ablation[True, True]
        self._loss_without = full - ablation[False, False]
        self._loss_without_scales = full - ablation[False, True]
        anchored = sides(self.anchors, self.curve.convention)
        self._sides = (float(anchored.min()), float(anchored.max()))

    @property
    def metric(self) -> str:
        """`miou` or `top1`."""
        return "top1" if self.source == "published-cls" else "miou"

    def terms(self, blocks: Sequence[Block]) -> Floats:
        """Part sizes at the official convention, as moments over strides, shape (21,)."""
        convention = self.curve.convention
        return block_terms(blocks, final_expand=convention.final_expand, classes=convention.classes)

    def combine(self, sums: Floats, resolutions: Floats) -> AccuracyBatch:
        """Estimates in percent of N networks: sums (N, 21), resolutions (N, 2) in pixels."""
        return self._evaluate(parts(sums, resolutions), resolutions)

    def position(self, sums: Floats, resolutions: Floats) -> Floats:
        """Where N networks stand on the published axis of size, (N,): sums (N, 21), resolutions (N, 2) in pixels."""
        return self.curve.locate(parts(sums, resolutions)).mean

    def estimate(self, arch: ArchConfig, resolution: Resolution) -> AccuracyEstimate:
        """Estimate of one network in percent, with its departures from the evidence. InputError on a wrong task."""
        self._check_task(arch)
        sums = self.terms([placed.block for placed in layout(arch, resolution)])[None]
        inputs = np.array([resolution], dtype=np.float64)
        networks = parts(sums, inputs)
        batch = self._evaluate(networks, inputs)
        axis = self.curve.axis
        departures = describe(
            arch,
            resolution,
            side=float(self._side(inputs)[0]),
            sides=self._sides,
            steps=_in_steps(self.curve.locate(networks).by_part[0], axis),
            first=int(self.anchors[0].network[1]),
            classes=self.curve.convention.classes,
            final_expand=self.curve.convention.final_expand,
        )
        value, low, high = (float(column[0]) for column in (batch.value, batch.low, batch.high))
        return AccuracyEstimate(value=value, low=low, high=high, departures=departures)

    def _check_task(self, arch: ArchConfig) -> None:
        if isinstance(arch.head, ClsHead) != (self.metric == "top1"):
            fit_for = "published-cls" if isinstance(arch.head, ClsHead) else "published or published-ade20k"
            raise InputError(f"accuracy source {self.source!r} does not fit a {arch.task} network; use {fit_for}")

    def _side(self, resolutions: Floats) -> Floats:
        area = np.prod(np.asarray(resolutions, dtype=np.float64), axis=1)
        return np.asarray(np.sqrt(area / self.curve.convention.aspect))

    def _evaluate(self, networks: Parts, resolutions: Floats) -> AccuracyBatch:
        curve, around = self.curve, self._band
        at = curve.locate(networks)
        attention = (1 - networks.attention) * self._loss_without
        missing = attention + (networks.attention - networks.scales) * self._loss_without_scales
        side = np.minimum(self._side(resolutions), self._sides[1])
        halved = 2.0**-networks.coarse
        smallest, largest = around.resolution_slopes
        worst, best = curve.shortfall(side * halved), curve.shortfall(side)
        value = curve.capacity_value(at.mean) - curve.resolution_slope * curve.shortfall(side * np.sqrt(halved))
        low = np.interp(at.low, around.grid, around.low) - np.maximum(smallest * worst, largest * worst)
        high = np.interp(at.high, around.grid, around.high) - np.minimum(smallest * best, largest * best)
        bounded = [np.clip(column - missing, 0.0, 100.0) for column in (value, low, high)]
        return AccuracyBatch(value=bounded[0], low=bounded[1], high=bounded[2])


def _in_steps(positions: Floats, axis: Floats) -> Floats:
    """Positions on the axis in units of the family's steps, 0 at the first anchor."""
    inside = np.interp(positions, axis, np.arange(len(axis), dtype=np.float64))
    return np.asarray(inside + np.minimum(positions - axis[0], 0.0) / (axis[1] - axis[0]))


@lru_cache(maxsize=len(PUBLISHED_SOURCES))
def _fitted(source: str) -> tuple[list[Anchor], Curve, Band, tuple[LeftOut, ...]]:
    anchors = read_anchors(source)
    curve = fit(anchors)
    left_out = leave_one_out(anchors)
    return anchors, curve, band(curve, anchors, left_out), left_out
