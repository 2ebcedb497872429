"""What changes with the step: learning rate and decay of the moving average. Steps count from 0."""

from __future__ import annotations

import math


def learning_rate(step: int, total: int, peak: float, warmup: float) -> float:
    """Linear from 0 over the first `warmup` share of the steps (at least one), then half a cosine down to 0."""
    warm = max(1, round(warmup * total))
    if step < warm:
        return peak * (step + 1) / warm
    return peak * 0.5 * (1.0 + math.cos(math.pi * (step - warm) / max(1, total - warm)))


def average_decay(step: int, total: int, share: float) -> float:
    """Decay of the moving average whose horizon is `share` of all steps; shorter at the start, so that the first
    weights are forgotten. 0 keeps the newest weights alone."""
    horizon = max(1.0, share * total)
    return min(1.0 - 1.0 / horizon, (1.0 + step) / (10.0 + step))
