"""Rows as measured, regression for the rest, correction and interval from whole networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from evit_nas.errors import TableError
from evit_nas.graph.kernel import KernelGraph, KernelSignature
from evit_nas.latency.measurement import NetworkMeasurement
from evit_nas.latency.predictor.fit import fit_additive, fit_predictor
from evit_nas.latency.table.store import Table


def test_measured_rows_stay_as_measured(
    table: Table, networks: Sequence[NetworkMeasurement], b0_graph: KernelGraph
) -> None:
    predictor = fit_predictor(table, networks)
    times = predictor.kernel_times_us(b0_graph.kernels)
    np.testing.assert_allclose(times, [table.lookup(k.signature).median_us for k in b0_graph.kernels])
    assert predictor.predict(b0_graph).coverage.measured == pytest.approx(1)


def test_networks_teach_the_correction(
    table: Table,
    networks: Sequence[NetworkMeasurement],
    b1_graph: KernelGraph,
    true_us: Callable[[KernelSignature], float],
) -> None:
    truth_ms = (30 + 1.2 * sum(true_us(kernel.signature) for kernel in b1_graph.kernels)) / 1e3
    prediction = fit_predictor(table, networks).predict(b1_graph)
    assert prediction.latency_ms == pytest.approx(truth_ms, rel=0.05)
    assert prediction.low_ms <= truth_ms <= prediction.high_ms
    assert fit_predictor(table).predict(b1_graph).latency_ms < 0.95 * truth_ms


def test_a_network_outside_the_table_is_wider(table: Table, b0_graph: KernelGraph, b1_graph: KernelGraph) -> None:
    predictor = fit_predictor(table)
    inside, outside = predictor.predict(b0_graph), predictor.predict(b1_graph)
    assert outside.coverage.extrapolated > inside.coverage.extrapolated
    assert outside.high_ms / outside.low_ms > inside.high_ms / inside.low_ms


def test_the_weakest_large_source_names_the_provenance(table: Table, b0_graph: KernelGraph) -> None:
    rows = tuple(
        replace(row, provenance="transferred") if row.signature.kind == "DEPTHWISE_CONV_2D" else row
        for row in table.rows
    )
    prediction = fit_predictor(replace(table, rows=rows)).predict(b0_graph)
    assert prediction.provenance == "transferred"
    assert prediction.shares["measured"] > prediction.shares["transferred"] > 0.01


def test_a_table_without_rows_is_refused(table: Table) -> None:
    with pytest.raises(TableError, match="no kernel is measured"):
        fit_additive(replace(table, rows=()), ())


def test_more_repeats_of_a_kernel_never_cost_less(
    table: Table, networks: Sequence[NetworkMeasurement], b1_graph: KernelGraph
) -> None:
    predictor = fit_predictor(table, networks)
    base = predictor.terms(b1_graph.kernels)
    more = np.stack([base + repeats * predictor.terms([kernel]) for kernel in b1_graph.kernels for repeats in (1, 5)])
    assert (predictor.combine(more).latency_ms > predictor.combine(base[None]).latency_ms[0]).all()
