"""Dominance over whole populations, as arrays. Every objective is minimised; negate what should grow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evit_nas.search.objective import Scores

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

USEFUL_SHARE = 0.4  # of the budget: who allows 200 ms is not helped by a network of 20 ms


def objectives(scores: Scores) -> Floats:
    """(N, 3): minus the lower bound of the metric, MACs, latency in ms."""
    return np.stack([-scores.metric_low, scores.macs.astype(np.float64), scores.latency_ms], axis=1)


def front(points: Floats) -> Indices:
    """Indices of the non-dominated rows of (N, M), sorted by the first objective. Of equal points the first stays."""
    order = np.lexsort(points.T[::-1])
    kept: list[int] = []
    values = np.empty((0, points.shape[1]))
    for index in order.tolist():  # in this order no later point dominates an earlier one
        point = points[index]
        if not (values <= point).all(axis=1).any():
            kept.append(index)
            values = np.vstack([values, point])
    return np.array(kept, dtype=np.intp)


def ranks(points: Floats) -> Indices:
    """Non-dominated rank of each of N points, 0 for the front (equal points share a rank)."""
    no_worse, better = points[:, None] <= points, points[:, None] < points
    beaten: NDArray[np.bool_] = np.logical_and(no_worse.all(axis=2), better.any(axis=2))
    result = np.full(len(points), -1, dtype=np.intp)
    rank = 0
    while (result < 0).any():
        open_points = result < 0
        result[open_points & ~beaten[open_points].any(axis=0)] = rank
        rank += 1
    return result


def accuracy_front(scores: Scores, cost: Floats, allowed: NDArray[np.bool_]) -> Indices:
    """Members on the front of (cost down, lower bound of the metric up) among `allowed`, cheapest first."""
    members = np.flatnonzero(allowed)
    found = front(np.stack([cost[members], -scores.metric_low[members]], axis=1))
    return np.asarray(members[found])


def hypervolume(points: Floats, reference: Floats) -> float:
    """Volume dominated by (N, M) and bounded by `reference` (M,); points beyond the reference count for nothing."""
    inside = points[(points < reference).all(axis=1)]
    if not len(inside):
        return 0.0
    return _volume(inside[front(inside)], reference)


def _volume(points: Floats, reference: Floats) -> float:
    if points.shape[1] == 1:
        return float(reference[0] - points.min())
    order = np.argsort(points[:, -1])
    edges = np.append(points[order, -1], reference[-1])
    total = 0.0
    for count, depth in enumerate(np.diff(edges), start=1):
        if depth > 0:
            slab = points[order[:count], :-1]
            total += depth * _volume(slab[front(slab)], reference[:-1])
    return total


def select_best(scores: Scores, budget_ms: float, k: int) -> Indices:
    """`k` winners under the budget, slowest and most accurate first: the best lower bound, then others of the front.

    They are spread over the latencies from USEFUL_SHARE of the budget up; a front with fewer than `k` members there
    gives its `k` slowest.
    """
    candidates = accuracy_front(scores, scores.latency_ms, scores.latency_ms <= budget_ms)[::-1]
    useful = candidates[scores.latency_ms[candidates] >= USEFUL_SHARE * budget_ms]
    if len(useful) <= k:
        return candidates[:k]
    candidates, latency_ms = useful, scores.latency_ms[useful]
    wanted = np.linspace(latency_ms[0], latency_ms[-1], k)
    picked = [0]
    for target in wanted[1:]:
        distance = np.abs(latency_ms - target)
        distance[picked] = np.inf
        picked.append(int(distance.argmin()))
    return np.asarray(candidates[sorted(picked)])
