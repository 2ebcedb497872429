"""From a table to its predictor. Nothing fitted is stored: a predictor is refitted from the table each time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evit_nas.errors import TableError
from evit_nas.graph.emit import emit
from evit_nas.graph.fuse import fuse
from evit_nas.graph.kernel import GRAPH_KIND, Kernel
from evit_nas.graph.lowering import AUTHORS, OURS
from evit_nas.latency.measurement import Conditions, NetworkMeasurement
from evit_nas.latency.predictor.additive import SD, AdditivePredictor, network_features
from evit_nas.latency.predictor.base import LatencyPredictor
from evit_nas.latency.predictor.calibrated import CalibratedPredictor
from evit_nas.latency.predictor.correction import fit_correction, leave_one_out_us
from evit_nas.latency.predictor.interval import conformal_factor, relative_sd
from evit_nas.latency.predictor.regression import fit_regression
from evit_nas.latency.table.store import Table

GRAPH_US = 5.0  # running a graph at all, where the table has no row for it


def fit_predictor(table: Table, networks: Sequence[NetworkMeasurement] = ()) -> LatencyPredictor:
    """The predictor of `table`: calibrated where the table is, else additive, corrected on `networks`."""
    if table.provenance.calibration is not None:
        return CalibratedPredictor(table.provenance)
    return fit_additive(table, networks)


def fit_additive(table: Table, networks: Sequence[NetworkMeasurement]) -> AdditivePredictor:
    """Regression from the rows, correction and interval from whole networks timed under the same conditions.

    Raises TableError where the table has no row of a kernel.
    """
    rows = [row for row in table.rows if row.signature.kind != GRAPH_KIND]
    if not rows:
        where = table.path or f"{table.conditions.device}/{table.conditions.stem}.csv"
        raise TableError(f"{where}: no kernel is measured yet; run evit-nas profile")
    regression = fit_regression([row.signature for row in rows], [row.median_us for row in rows])
    graph_us = min((row.median_us for row in table.rows if row.signature.kind == GRAPH_KIND), default=GRAPH_US)
    none = fit_correction(np.zeros((0, 4)), np.zeros(0), graph_us=graph_us)
    plain = AdditivePredictor(table, regression, none)
    if not networks:
        return plain
    sums = np.array([plain.terms(network_kernels(network, table.conditions)) for network in networks])
    measured_us = np.array([1e3 * network.latency_ms for network in networks])
    features = network_features(sums)
    correction = fit_correction(features, measured_us, graph_us=graph_us)
    left_out_us = leave_one_out_us(features, measured_us, graph_us=graph_us)
    factor = conformal_factor(measured_us, left_out_us, relative_sd(left_out_us, sums[:, SD]))
    return AdditivePredictor(table, regression, correction, interval_factor=factor)


def network_kernels(network: NetworkMeasurement, conditions: Conditions) -> tuple[Kernel, ...]:
    """Kernels of a timed network in the lowering of the table that it stands beside."""
    lowering = AUTHORS if conditions.lowering == "authors" else OURS
    return fuse(emit(network.arch, network.resolution, lowering)).kernels
