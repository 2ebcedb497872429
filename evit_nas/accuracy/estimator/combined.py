"""Published anchors for capacity, measured effects for what the published rows do not vary."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evit_nas.accuracy.estimator.base import AccuracyBatch, AccuracyEstimate
from evit_nas.accuracy.estimator.departures import EARNS_NOTHING
from evit_nas.accuracy.estimator.description import (
    DEPARTURES,
    SIZES,
    evidence_of,
    features,
    network_terms,
)
from evit_nas.accuracy.estimator.effects import Effects, fit_effects
from evit_nas.accuracy.estimator.members import Members
from evit_nas.accuracy.estimator.published import PublishedEstimator
from evit_nas.errors import InputError
from evit_nas.graph.blocks import Block, layout
from evit_nas.space.arch import ArchConfig, Resolution

Floats = NDArray[np.float64]

# Table 3 and the resolution say what these cost; the measured effect of them is fitted, so that it does not stand in
# the others, and left out
PUBLISHED = ("attention left out", "scales left out", "coarse head")
TRANSFER = 0.5  # of an effect: half of the 90 % interval of what it is on the other data set. Assumed: docs/accuracy.md


class CombinedEstimator:
    """The published estimate plus effects measured on another data set, in percent.

    The effects are those of departures at equal capacity (effects.py; capacity is the position on the published axis,
    its square and the input), shrunk towards zero, one point counted as one point. The interval is the published one
    widened by that of the effects and by TRANSFER of what they add up to: nobody has measured how they carry over.
    """

    metric = "miou"

    def __init__(self, members: Members, *, name: str) -> None:
        if members.metric != self.metric:
            raise InputError(f"{name}: measures {members.metric}; published+measured needs miou")
        self._published = PublishedEstimator()
        self.effects = self._fit(members)
        self.label = f"estimate (published anchors + effects measured on {name})"
        self.loo_error = self._published.loo_error
        counted = self._counted & self.effects.varied
        told = {
            group for (_, groups), varied in zip(DEPARTURES.items(), counted, strict=True) if varied for group in groups
        }
        measured = evidence_of([(member.arch, member.resolution) for member in members.rows])
        self.evidence = self._published.evidence | (told & measured)

    @property
    def _counted(self) -> NDArray[np.bool_]:
        return np.array([departure not in PUBLISHED for departure in DEPARTURES])

    def _fit(self, members: Members) -> Effects:
        inputs = np.array([member.resolution for member in members.rows], dtype=np.float64)
        layouts = [[p.block for p in layout(member.arch, member.resolution)] for member in members.rows]
        seen = features(np.array([network_terms(blocks) for blocks in layouts]), inputs)
        position = self._published.position(np.array([self._published.terms(blocks) for blocks in layouts]), inputs)
        capacity = np.stack([position, position**2, seen[:, len(SIZES) - 1]], axis=1)
        return fit_effects(
            tuple(DEPARTURES),
            seen[:, len(SIZES) :],
            capacity,
            np.array([member.value for member in members.rows]),
            np.array([member.seeds for member in members.rows], dtype=np.float64),
        )

    def terms(self, blocks: Sequence[Block]) -> Floats:
        """The terms of both, one after the other, shape (T,)."""
        return np.concatenate([self._published.terms(blocks), network_terms(blocks)])

    def combine(self, sums: Floats, resolutions: Floats) -> AccuracyBatch:
        """Estimates in percent of N networks: sums (N, T), resolutions (N, 2) in pixels."""
        first = len(self._published.terms(()))
        base = self._published.combine(sums[:, :first], resolutions)
        departures = features(sums[:, first:], resolutions)[:, len(SIZES) :] * self._counted
        shift = departures @ self.effects.mean
        half = self.effects.half_width(departures) + TRANSFER * np.abs(shift)
        columns = base.low + shift - half, base.value + shift, base.high + shift + half
        low, value, high = (np.clip(column, 0.0, 100.0) for column in columns)
        return AccuracyBatch(value=value, low=low, high=high)

    def estimate(self, arch: ArchConfig, resolution: Resolution) -> AccuracyEstimate:
        """Estimate of one network in percent: the published departures, and what the measured effects add.

        Raises InputError on a wrong task.
        """
        published = self._published.estimate(arch, resolution)
        sums = self.terms([placed.block for placed in layout(arch, resolution)])[None]
        batch = self.combine(sums, np.array([resolution], dtype=np.float64))
        value, low, high = (float(column[0]) for column in (batch.value, batch.low, batch.high))
        added = value - published.value
        note = (f"measured effects add {added:+.2f} points",) if abs(added) >= 0.005 else ()
        departures = (text.removesuffix(EARNS_NOTHING) for text in published.departures)
        return AccuracyEstimate(value=value, low=low, high=high, departures=(*departures, *note))
