"""The published rows and the curve through them.

accuracy(t, r) = a + b (1 - exp(-k t)) / k - D ((r0 / r)^2 - 1) / 2

t is the position on the published scaling axis: the mean over the parts of a network (capacity.PARTS) of log size,
each part read on the axis where the anchors have that size. r is the square root of the input area (half of it where
images are 1:2), r0 that of today's rows. k, a, b, D are least squares; D is the slope in log r at r0. Its exponent of 2
is an assumption: the anchors hold two input sizes a network at most, which cannot tell it from 1 or from a logarithm.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from evit_nas.accuracy.estimator.capacity import Parts, block_terms, parts
from evit_nas.graph.blocks import layout
from evit_nas.space.arch import ArchConfig, SegHead, named_arch

Floats = NDArray[np.float64]
SATURATION_GRID = np.geomspace(1e-3, 3.0, 120)


@dataclass(frozen=True, kw_only=True, slots=True)
class Anchor:
    """One published row: a named network at an input, its accuracy in percent."""

    network: str
    height: int
    width: int
    value: float
    origin: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Convention:
    """What an official head of the source has: output expansion (0: none), classes, width over height of the input."""

    final_expand: int
    classes: int
    aspect: float
    reference_side: float


@dataclass(frozen=True, kw_only=True, slots=True)
class AxisPoint:
    """Positions of N networks on the axis: the mean of their parts, that of mean and weakest, of mean and strongest."""

    mean: Floats
    low: Floats
    high: Floats
    by_part: Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """The fit. `knots` (networks, parts): log sizes of the anchors; `axis` (networks,): their positions."""

    knots: Floats
    axis: Floats
    intercept: float
    slope: float
    saturation: float
    resolution_slope: float
    convention: Convention

    def locate(self, networks: Parts) -> AxisPoint:
        """Where networks stand. Above the last anchor nothing is earned; below the first the line goes on."""
        columns = zip(networks.log_size.T, self.knots.T, strict=True)
        by_part = np.stack([_on_axis(size, knots, self.axis) for size, knots in columns], axis=1)
        mean = by_part.mean(axis=1)
        low, high = (mean + by_part.min(axis=1)) / 2, (mean + by_part.max(axis=1)) / 2
        return AxisPoint(mean=mean, low=low, high=high, by_part=by_part)

    def capacity_value(self, position: Floats) -> Floats:
        """Accuracy at the reference resolution."""
        return self.intercept + self.slope * _saturating(position - self.axis[0], self.saturation)

    def shortfall(self, side: Floats) -> Floats:
        """((r0 / r)^2 - 1) / 2: times D, the points lost to a smaller input."""
        return ((self.convention.reference_side / side) ** 2 - 1) / 2


def _on_axis(size: Floats, knots: Floats, axis: Floats) -> Floats:
    inside = np.interp(size, knots, axis)
    first = (axis[1] - axis[0]) / (knots[1] - knots[0])
    return np.asarray(inside - first * np.maximum(knots[0] - size, 0.0))


def _saturating(distance: Floats, rate: float) -> Floats:
    return np.asarray((1 - np.exp(-rate * distance)) / rate)


def read_anchors(source: str) -> list[Anchor]:
    """Rows of `source` in the packaged published.csv."""
    text = files("evit_nas.accuracy.estimator").joinpath("published.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return [
        Anchor(
            network=row["network"],
            height=int(row["height"]),
            width=int(row["width"]),
            value=float(row["value"]),
            origin=row["origin"],
        )
        for row in rows
        if row["source"] == source
    ]


def read_ablation() -> dict[tuple[bool, bool], float]:
    """(multi-scale kept, attention kept) -> mIoU of B0 at equal MACs (Table 3)."""
    text = files("evit_nas.accuracy.estimator").joinpath("ablation.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return {(row["multi_scale"] == "1", row["global_attention"] == "1"): float(row["miou"]) for row in rows}


def convention_of(anchors: list[Anchor]) -> Convention:
    """The conventions of a source, read off its networks and its rows of today."""
    head = named_arch(anchors[0].network).head
    today = next(a for a in anchors if a.origin == "readme-2025-09")
    aspect = today.width / today.height
    side = float(np.sqrt(today.height * today.width / aspect))
    expand = (head.final_expand or 0) if isinstance(head, SegHead) else 0
    return Convention(final_expand=expand, classes=head.classes, aspect=aspect, reference_side=side)


def arch_parts(arch: ArchConfig, resolution: tuple[int, int], convention: Convention) -> Parts:
    """Parts of one network."""
    blocks = [placed.block for placed in layout(arch, resolution)]
    terms = block_terms(blocks, final_expand=convention.final_expand, classes=convention.classes)
    return parts(terms[None], np.array([resolution], dtype=np.float64))


def sides(anchors: list[Anchor], convention: Convention) -> Floats:
    """r of each row."""
    return np.array([np.sqrt(a.height * a.width / convention.aspect) for a in anchors])


def fit(anchors: list[Anchor]) -> Curve:
    """The curve through these rows (at least two networks)."""
    convention = convention_of(anchors)
    names = sorted({a.network for a in anchors})  # b0 < b1 < b2 < b3
    knots = np.concatenate([arch_parts(named_arch(name), (512, 512), convention).log_size for name in names])
    axis = knots.mean(axis=1)
    position = axis[[names.index(a.network) for a in anchors]] - axis[0]
    loss = ((convention.reference_side / sides(anchors, convention)) ** 2 - 1) / 2
    values = np.array([a.value for a in anchors])
    fits = [_least_squares(position, loss, values, float(rate)) for rate in SATURATION_GRID]
    errors = np.array([error for error, _ in fits])
    best = int(np.flatnonzero(errors <= errors.min() + 1e-9)[0])  # of equal fits the straightest
    intercept, slope, resolution_slope = fits[best][1].tolist()
    return Curve(
        knots=knots,
        axis=axis,
        intercept=intercept,
        slope=slope,
        saturation=float(SATURATION_GRID[best]),
        resolution_slope=resolution_slope,
        convention=convention,
    )


def _least_squares(position: Floats, loss: Floats, values: Floats, rate: float) -> tuple[float, Floats]:
    design = np.stack([np.ones_like(values), _saturating(position, rate), -loss], axis=1)
    solution = np.linalg.lstsq(design, values, rcond=None)[0]
    return float(((design @ solution - values) ** 2).sum()), np.asarray(solution)
