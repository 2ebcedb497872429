"""Operators that no predictor knows: guessed, wide, and never free."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evit_nas.graph.kernel import Kernel, KernelGraph, KernelSignature, TensorType
from evit_nas.latency.measurement import NetworkMeasurement
from evit_nas.latency.predictor.fallback import GUESS_FACTOR, FallbackPredictor, stand_in
from evit_nas.latency.predictor.fit import fit_predictor
from evit_nas.latency.table.store import Table


@pytest.fixture(scope="module")
def predictor(table: Table, networks: tuple[NetworkMeasurement, ...]) -> FallbackPredictor:
    return FallbackPredictor(fit_predictor(table, networks))


def _unknown(shape: tuple[int, ...], weights: tuple[int, ...] = ()) -> Kernel:
    inputs = (TensorType(shape), *((TensorType(weights, constant=True),) if weights else ()))
    return Kernel(KernelSignature("CONV_3D" if weights else "FFT_OF_SOMETHING", inputs, (TensorType(shape),)), (0,))


def test_a_network_that_is_known_keeps_its_prediction(
    predictor: FallbackPredictor, b0_graph: KernelGraph, table: Table, networks: tuple[NetworkMeasurement, ...]
) -> None:
    assert predictor.predict(b0_graph) == fit_predictor(table, networks).predict(b0_graph)


def test_an_unknown_kernel_adds_time_and_widens(predictor: FallbackPredictor, b0_graph: KernelGraph) -> None:
    before = predictor.predict(b0_graph)
    after = predictor.predict(replace(b0_graph, kernels=(*b0_graph.kernels, _unknown((1, 256, 256, 64)))))
    added = after.latency_ms - before.latency_ms
    assert added > 0
    assert after.low_ms < before.low_ms + added / GUESS_FACTOR + 1e-9
    assert after.high_ms > before.high_ms + 0.5 * GUESS_FACTOR * added
    assert after.coverage.extrapolated > before.coverage.extrapolated
    assert sum((after.coverage.measured, after.coverage.interpolated, after.coverage.extrapolated)) == pytest.approx(1)


def test_more_elements_cost_more(predictor: FallbackPredictor) -> None:
    small, large = predictor.kernel_times_us([_unknown((1, 8, 8, 8)), _unknown((1, 256, 256, 64))])
    assert 0 < small < large


def test_weights_are_counted_as_a_matrix_product() -> None:
    stood_in = stand_in(_unknown((1, 4, 8, 8, 32), (3, 3, 3, 32, 32))).signature
    assert stood_in.kind == "FULLY_CONNECTED"
    assert stood_in.inputs[0].shape == (4 * 8 * 8, 27 * 32)
    assert stood_in.outputs[0].shape == (4 * 8 * 8, 32)


def test_weights_without_an_output_are_no_matrix_product() -> None:
    kernel = Kernel(KernelSignature("ASSIGN", (TensorType((4, 4), constant=True),), ()), (0,), -1)
    assert stand_in(kernel).signature.kind == "LOGISTIC"


@pytest.mark.parametrize("shape", [(), (0,), (1, 0, 4), (7,)])
def test_odd_shapes_cost_something(predictor: FallbackPredictor, shape: tuple[int, ...]) -> None:
    assert predictor.kernel_times_us([_unknown(shape)])[0] > 0
    assert not predictor.knows(_unknown(shape))
