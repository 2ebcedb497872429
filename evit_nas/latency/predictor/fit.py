"""From a table to its predictor. Nothing fitted is stored: a predictor is refitted from the table each time.

Kernels are timed inside whole networks, so a network that stands beside the table has rows of its own. To learn how
far off a new network is, its rows are left out: kernels are predicted by a regression of the other folds, the sum is
corrected by the other networks, and the rest is the error that the interval is made of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evit_nas.errors import TableError
from evit_nas.graph.emit import emit
from evit_nas.graph.fuse import fuse
from evit_nas.graph.kernel import GRAPH_KIND, Kernel
from evit_nas.graph.lowering import AUTHORS, OURS
from evit_nas.latency.gaussian import robust_sd
from evit_nas.latency.measurement import Conditions, Measurement, NetworkMeasurement
from evit_nas.latency.predictor.additive import SD, TERMS, AdditivePredictor, kernel_terms, network_features
from evit_nas.latency.predictor.base import Floats, LatencyPredictor
from evit_nas.latency.predictor.calibrated import CalibratedPredictor
from evit_nas.latency.predictor.correction import FEATURES, fit_correction, leave_one_out_us
from evit_nas.latency.predictor.features import kernel_input
from evit_nas.latency.predictor.interval import MIN_NETWORKS, Spread, drift_sd, fit_spread
from evit_nas.latency.predictor.regression import (
    FOLDS,
    KernelRegression,
    fit_regression,
    out_of_fold_us,
    row_weights,
    with_errors,
)
from evit_nas.latency.table.store import Table

MOSTLY = 0.7  # share of a network's time that counts as most of it
GRAPH_US = 5.0  # running a graph at all, where the table has no row for it


def fit_predictor(table: Table, networks: Sequence[NetworkMeasurement] = ()) -> LatencyPredictor:
    """The predictor of `table`: its calibration beside its rows, or additive and corrected on `networks`."""
    if table.provenance.calibration is not None:
        return CalibratedPredictor(table)
    return fit_additive(table, networks)


def fit_additive(table: Table, networks: Sequence[NetworkMeasurement]) -> AdditivePredictor:
    """Regression from the rows, correction and interval from whole networks timed under the same conditions.

    Raises TableError where the table has no row of a kernel.
    """
    rows = [row for row in table.rows if row.signature.kind != GRAPH_KIND]
    if not rows:
        where = table.path or f"{table.conditions.device}/{table.conditions.stem}.csv"
        raise TableError(f"{where}: no kernel is measured yet; run evit-nas profile")
    graph_us = min((row.median_us for row in table.rows if row.signature.kind == GRAPH_KIND), default=GRAPH_US)
    members = [network_kernels(network, table.conditions) for network in networks]
    regression, known = _left_out(rows, members)
    none = fit_correction(np.zeros((0, len(FEATURES))), np.zeros(0), graph_us=graph_us)
    plain = AdditivePredictor(table, regression, none, Spread())
    if not networks:
        return plain
    sums = np.array(
        [
            sum((_left_out_terms(plain, known, number % FOLDS, kernel) for kernel in kernels), np.zeros(TERMS))
            for number, kernels in enumerate(members)
        ]
    )
    features, measured_us = network_features(sums), np.array([1e3 * network.latency_ms for network in networks])
    left_out_us = leave_one_out_us(features, measured_us, graph_us=graph_us)
    carried = table.provenance.network_spread
    if carried is None:
        spread = fit_spread(measured_us, left_out_us, sums[:, SD], noise_sd=_timing_sd(known, members, measured_us))
    else:  # these networks have a part in the rows that were carried over, so they say too little of others
        spread = Spread(carried.base, carried.growth, carried.factor)
    drift = drift_sd(np.array([network.canary for network in networks]))
    correction = fit_correction(features, measured_us, graph_us=graph_us)
    return AdditivePredictor(table, regression, correction, replace(spread, drift=drift))


def _timing_sd(known: Mapping[str, _Row], members: Sequence[Sequence[Kernel]], measured_us: Floats) -> float:
    """Relative standard deviation of one timing of a network, from networks most of whose rows are their own.

    Such a network was timed twice, in a session without and in one with profiling; half of the variance between the two
    is that of each. 0 where there are too few.
    """
    ratios = []
    for number, (kernels, us) in enumerate(zip(members, measured_us.tolist(), strict=True)):
        rows = [known[kernel.signature.key] for kernel in kernels if kernel.signature.key in known]
        total = sum(row.measured_us for row in rows)
        own = sum(row.measured_us for row in rows if row.network == number)
        if len(rows) == len(kernels) and own > MOSTLY * total:
            ratios.append(np.log(us / total))
    if len(ratios) < MIN_NETWORKS:
        return 0.0
    return robust_sd(ratios - np.median(ratios)) / 2**0.5


def network_kernels(network: NetworkMeasurement, conditions: Conditions) -> tuple[Kernel, ...]:
    """Kernels of a timed network in the lowering of the table that it stands beside."""
    lowering = AUTHORS if conditions.lowering == "authors" else OURS
    return fuse(emit(network.arch, network.resolution, lowering)).kernels


@dataclass(frozen=True, slots=True)
class _Row:
    """A measured row, the network it was measured in with its fold, and its time as predicted without that fold."""

    measured_us: float
    network: int  # -1: none of those beside the table
    fold: int
    left_out_us: float
    left_out_sd: float


def _left_out(
    rows: Sequence[Measurement], members: Sequence[Sequence[Kernel]]
) -> tuple[KernelRegression, dict[str, _Row]]:
    """The regression of all rows, and every row by signature key with what the other folds say about it."""
    inputs = [kernel_input(row.signature) for row in rows]
    us, weights = np.array([row.median_us for row in rows]), row_weights(rows)
    homes = _homes(rows, members)
    folds = np.where(homes >= 0, homes, np.arange(len(rows))) % FOLDS
    left_out = out_of_fold_us(inputs, us, weights, folds)
    regression = with_errors(fit_regression(inputs, us, weights), inputs, us, left_out)
    known = {
        row.signature.key: _Row(row.median_us, int(home), int(fold), float(us), regression.relative_sd(kernel.family))
        for row, kernel, home, fold, us in zip(rows, inputs, homes, folds, left_out, strict=True)
        if row.provenance != "transferred"  # has a spread of its own
    }
    return regression, known


def _homes(rows: Sequence[Measurement], members: Sequence[Sequence[Kernel]]) -> NDArray[np.intp]:
    """The network in which each row was measured, the first one that has the kernel; -1 for none. Shape (N,)."""
    first: dict[str, int] = {}
    for number, kernels in enumerate(members):
        for kernel in kernels:
            first.setdefault(kernel.signature.key, number)
    return np.array([first.get(row.signature.key, -1) for row in rows], dtype=np.intp)


def _left_out_terms(plain: AdditivePredictor, known: dict[str, _Row], fold: int, kernel: Kernel) -> Floats:
    """Terms of a kernel as if no row of `fold` were known."""
    row = known.get(kernel.signature.key)
    if row is None:
        return plain.cost(kernel.signature).terms
    if row.fold != fold:
        return kernel_terms(kernel.signature, measured_us=row.measured_us, regressed_us=row.left_out_us)
    return kernel_terms(kernel.signature, interpolated_us=row.left_out_us, sd=row.left_out_sd)
