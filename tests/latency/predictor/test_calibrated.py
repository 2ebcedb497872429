"""Kernels that a phone has rows of cost what was measured, the others what the calibration says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evit_nas.graph.emit import emit
from evit_nas.graph.fuse import fuse
from evit_nas.graph.kernel import Kernel, KernelGraph, KernelSignature, TensorType
from evit_nas.graph.lowering import AUTHORS
from evit_nas.latency.measurement import Measurement, Provenance
from evit_nas.latency.predictor.calibrated import CalibratedPredictor
from evit_nas.latency.table.store import Table, load_table
from evit_nas.space.arch import named_arch

SHIPPED = Path(__file__).parents[3] / "latency_tables" / "sm8450" / "litert-xnnpack-x2-t1-fp32.csv"
FASTER = 0.8


@pytest.fixture(scope="module")
def calibrated() -> Table:
    return load_table(SHIPPED)


@pytest.fixture(scope="module")
def graph() -> KernelGraph:
    return fuse(emit(named_arch("b1"), (448, 896), AUTHORS))


def _row(signature: KernelSignature, us: float, provenance: Provenance = "measured") -> Measurement:
    return Measurement(
        signature=signature,
        timings=50,
        median_us=us,
        low_us=us * 0.98,
        high_us=us * 1.02,
        repeats=1,
        canary=1.0,
        measured_at="2026-11-01T00:00:00+00:00",
        provenance=provenance,
    )


def _beside(calibrated: Table, kernels: tuple[Kernel, ...], provenance: Provenance = "measured") -> Table:
    """The calibration with a row of every kernel, FASTER than calibrated."""
    us = CalibratedPredictor(calibrated).kernel_times_us(kernels)
    rows = {
        k.signature.key: _row(k.signature, max(FASTER * t, 1e-3), provenance) for k, t in zip(kernels, us, strict=True)
    }
    return replace(calibrated, rows=tuple(rows.values()))


def test_a_network_of_measured_kernels_is_measured(calibrated: Table, graph: KernelGraph) -> None:
    alone = CalibratedPredictor(calibrated).predict(graph)
    beside = CalibratedPredictor(_beside(calibrated, graph.kernels)).predict(graph)
    assert beside.latency_ms == pytest.approx(FASTER * alone.latency_ms, rel=1e-3)
    assert (beside.provenance, set(beside.shares)) == ("measured", {"measured"})
    assert beside.coverage.measured == pytest.approx(1)
    assert beside.high_ms / beside.low_ms < alone.high_ms / alone.low_ms


def test_half_of_each_says_which_share_is_which(calibrated: Table, graph: KernelGraph) -> None:
    plain = CalibratedPredictor(calibrated)
    half = graph.kernels[: len(graph.kernels) // 2]
    others = [kernel for kernel in graph.kernels if kernel.signature not in {k.signature for k in half}]
    table = _beside(calibrated, half)
    predicted = CalibratedPredictor(table).predict(graph)
    rest_ms = plain.kernel_times_us(others).sum() / 1e3
    assert predicted.provenance == "calibrated"
    assert predicted.shares["calibrated"] == pytest.approx(rest_ms / predicted.latency_ms, abs=1e-3)
    assert predicted.shares["measured"] == pytest.approx(1 - predicted.shares["calibrated"])
    assert predicted.coverage.measured == pytest.approx(predicted.shares["measured"], abs=1e-6)


def test_rows_that_disagree_with_the_calibration_widen_what_is_left_to_it(
    calibrated: Table, graph: KernelGraph
) -> None:
    first = graph.kernels[0]
    us = CalibratedPredictor(calibrated).kernel_times_us([first])[0]
    agreeing, off = (replace(calibrated, rows=(_row(first.signature, factor * us),)) for factor in (1.0, 1.5))
    rest = KernelGraph(tuple(k for k in graph.kernels if k.signature != first.signature), 0)
    narrow, wide = (CalibratedPredictor(table).predict(rest) for table in (agreeing, off))
    assert wide.latency_ms == pytest.approx(narrow.latency_ms)
    assert wide.high_ms / wide.latency_ms > 1.2 * narrow.high_ms / narrow.latency_ms


def test_a_transferred_row_is_not_called_measured(calibrated: Table, graph: KernelGraph) -> None:
    prediction = CalibratedPredictor(_beside(calibrated, graph.kernels, "transferred")).predict(graph)
    assert prediction.coverage.measured == 0
    assert prediction.provenance == "transferred"


def test_an_operator_nobody_knows_has_a_cost_where_it_was_measured(calibrated: Table) -> None:
    shape = TensorType((1, 8, 8, 16))
    kernel = Kernel(KernelSignature("FFT_OF_SOMETHING", (shape,), (shape,)), (0,))
    table = replace(calibrated, rows=(_row(kernel.signature, 30.0),))
    assert CalibratedPredictor(table).predict(KernelGraph((kernel,), 0)).latency_ms == pytest.approx(0.03)
