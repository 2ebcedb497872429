"""How good predictions are: the figures that every benchmark of this tool prints. Arrays of N networks."""

from __future__ import annotations

import numpy as np

from evit_nas.latency.predictor.base import Floats


def mape(predicted: Floats, measured: Floats) -> float:
    """Mean absolute relative error, in percent."""
    return float(100 * np.abs(predicted / measured - 1).mean())


def within(predicted: Floats, measured: Floats, tolerance: float) -> float:
    """Fraction of networks whose relative error is at most `tolerance` (0.1: 10 %)."""
    return float((np.abs(predicted / measured - 1) <= tolerance).mean())


def spearman(predicted: Floats, measured: Floats) -> float:
    """Rank correlation, ties by average rank."""
    from scipy.stats import spearmanr

    return float(spearmanr(predicted, measured).statistic)


def interval_coverage(low: Floats, high: Floats, measured: Floats) -> float:
    """Fraction of networks whose measurement lies inside its interval."""
    return float(((low <= measured) & (measured <= high)).mean())


def pair_accuracy(predicted: Floats, measured: Floats, macs: Floats, *, tolerance: float = 0.05) -> float:
    """Fraction of pairs with MACs within `tolerance` of each other that are ranked right; nan where there is none."""
    first, second = np.triu_indices(len(predicted), k=1)
    near = np.abs(macs[first] / macs[second] - 1) <= tolerance
    if not near.any():
        return float("nan")
    first, second = first[near], second[near]
    right = np.sign(predicted[first] - predicted[second]) == np.sign(measured[first] - measured[second])
    return float(right.mean())
