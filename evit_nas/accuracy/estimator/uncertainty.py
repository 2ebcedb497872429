"""How far the published curve can be trusted: leave-one-network-out residuals, and intervals made from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evit_nas.accuracy.estimator.anchors import Anchor, Curve, arch_parts, fit, sides
from evit_nas.space.arch import named_arch

Floats = NDArray[np.float64]
GRID_POINTS = 2000
BELOW_FIRST_ANCHOR = 4.0  # how far down the axis the grid reaches; B0 is 1.5 below B1


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftOut:
    """One network predicted from the others: residual of each of its rows, distance to the nearest that remained."""

    network: str
    residuals: tuple[float, ...]
    distance: float

    @property
    def error(self) -> float:
        """Mean absolute residual in points."""
        return float(np.mean(np.abs(self.residuals)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Band:
    """Value and 90 % interval at the reference resolution over a grid of positions; D's range between networks."""

    grid: Floats
    low: Floats
    high: Floats
    resolution_slopes: tuple[float, float]


def leave_one_out(anchors: list[Anchor]) -> tuple[LeftOut, ...]:
    """Every network left out once, all its rows together; the whole model is fitted again without it."""
    return tuple(_left_out(name, anchors) for name in sorted({a.network for a in anchors}))


def _left_out(name: str, anchors: list[Anchor]) -> LeftOut:
    rows = [a for a in anchors if a.network == name]
    curve = fit([a for a in anchors if a.network != name])
    networks = arch_parts(named_arch(name), (512, 512), curve.convention)
    loss = curve.resolution_slope * curve.shortfall(sides(rows, curve.convention))
    predicted = curve.capacity_value(curve.locate(networks).mean) - loss
    own = float(networks.log_size.mean())
    return LeftOut(
        network=name,
        residuals=tuple((predicted - np.array([a.value for a in rows])).tolist()),
        distance=float(np.abs(curve.axis - own).min()),
    )


def band(curve: Curve, anchors: list[Anchor], left_out: tuple[LeftOut, ...]) -> Band:
    """Half-width = mean left-out error + rate x distance to the nearest anchor.

    The rate is the largest left-out residual per distance, of inner networks between the anchors and of the smallest
    network below them. Accuracy rises along the axis, so a bound never crosses that of a smaller or larger network.
    """
    grid = np.linspace(curve.axis[0] - BELOW_FIRST_ANCHOR, curve.axis[-1], GRID_POINTS)
    distance = np.abs(grid[:, None] - curve.axis).min(axis=1)
    rates = [max(np.abs(n.residuals)) / n.distance for n in left_out]
    rate = np.where(grid < curve.axis[0], rates[0], max(rates[1:-1]))
    half = float(np.mean([n.error for n in left_out])) + rate * distance
    value = curve.capacity_value(grid)
    return Band(
        grid=grid,
        low=np.maximum.accumulate(value - half),
        high=np.minimum.accumulate((value + half)[::-1])[::-1],
        resolution_slopes=_resolution_slopes(curve, anchors),
    )


def _resolution_slopes(curve: Curve, anchors: list[Anchor]) -> tuple[float, float]:
    """Smallest and largest D of a network with rows at two resolutions, the fitted one included."""
    slopes = [curve.resolution_slope]
    for name in sorted({a.network for a in anchors}):
        rows = [a for a in anchors if a.network == name]
        loss = curve.shortfall(sides(rows, curve.convention))
        if np.ptp(loss) > 0:
            slopes.append(float(-np.polyfit(loss, [a.value for a in rows], 1)[0]))
    return min(slopes), max(slopes)
