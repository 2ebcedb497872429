"""What every latency predictor holds. A new one joins by adding a line to PREDICTORS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from evit_nas.errors import MissingCostError
from evit_nas.graph.block_kernels import block_kernels
from evit_nas.graph.blocks import layout
from evit_nas.graph.emit import emit
from evit_nas.graph.fuse import fuse
from evit_nas.graph.kernel import Kernel, KernelGraph, KernelSignature, TensorType
from evit_nas.graph.lowering import AUTHORS, OURS
from evit_nas.latency.predictor.base import LatencyPredictor
from evit_nas.latency.predictor.calibrate import calibrate_table
from evit_nas.latency.predictor.fallback import FallbackPredictor
from evit_nas.latency.predictor.fit import fit_predictor
from evit_nas.space.arch import named_arch

PUBLISHED = Path(__file__).parents[3] / "latency_tables" / "sm8450" / "source" / "published.csv"


def _additive(request: pytest.FixtureRequest) -> LatencyPredictor:
    return fit_predictor(request.getfixturevalue("table"), request.getfixturevalue("networks"))


def _additive_alone(request: pytest.FixtureRequest) -> LatencyPredictor:
    return fit_predictor(request.getfixturevalue("table"))


def _calibrated(request: pytest.FixtureRequest) -> LatencyPredictor:
    folder = request.getfixturevalue("tmp_path_factory").mktemp("tables")
    return fit_predictor(calibrate_table(PUBLISHED, device="sm8450", tables_dir=folder))


def _with_fallback(request: pytest.FixtureRequest) -> LatencyPredictor:
    return FallbackPredictor(_additive(request))


def _calibrated_with_fallback(request: pytest.FixtureRequest) -> LatencyPredictor:
    return FallbackPredictor(_calibrated(request))


PREDICTORS: dict[str, Callable[[pytest.FixtureRequest], LatencyPredictor]] = {
    "additive": _additive,
    "additive without networks": _additive_alone,
    "additive with fallback": _with_fallback,
    "calibrated": _calibrated,
    "calibrated with fallback": _calibrated_with_fallback,
}


@pytest.fixture(scope="module", params=sorted(PREDICTORS))
def predictor(request: pytest.FixtureRequest) -> LatencyPredictor:
    return PREDICTORS[request.param](request)


def lowering_of(predictor: LatencyPredictor):
    return AUTHORS if predictor.conditions.lowering == "authors" else OURS


@pytest.fixture(scope="module")
def graphs(predictor: LatencyPredictor) -> list[KernelGraph]:
    sizes = (("b0", (128, 256)), ("b0", (512, 1024)), ("b1", (96, 192)), ("b1-cls", (224, 224)), ("b2", (64, 64)))
    return [fuse(emit(named_arch(name), size, lowering_of(predictor))) for name, size in sizes]


def test_batch_equals_single(predictor: LatencyPredictor, graphs: list[KernelGraph]) -> None:
    batch = predictor.combine(np.array([predictor.terms(graph.kernels) for graph in graphs]))
    for i, graph in enumerate(graphs):
        single = predictor.predict(graph)
        np.testing.assert_allclose(
            [batch.latency_ms[i], batch.low_ms[i], batch.high_ms[i]],
            [single.latency_ms, single.low_ms, single.high_ms],
            rtol=1e-6,
        )
        assert batch.extrapolated[i] == pytest.approx(single.coverage.extrapolated, abs=1e-6)


def test_terms_add_up_over_blocks(predictor: LatencyPredictor) -> None:
    arch, resolution, lowering = named_arch("b0"), (128, 256), lowering_of(predictor)
    whole = predictor.terms(fuse(emit(arch, resolution, lowering)).kernels)
    parts = sum(predictor.terms(block_kernels(placed.block, lowering)) for placed in layout(arch, resolution))
    np.testing.assert_allclose(parts, whole, rtol=1e-6)


def test_latency_is_positive_and_inside_its_interval(predictor: LatencyPredictor, graphs: list[KernelGraph]) -> None:
    for graph in graphs:
        prediction = predictor.predict(graph)
        assert 0 < prediction.low_ms <= prediction.latency_ms <= prediction.high_ms < float("inf")


def test_shares_sum_to_one(predictor: LatencyPredictor, graphs: list[KernelGraph]) -> None:
    for graph in graphs:
        prediction = predictor.predict(graph)
        coverage = prediction.coverage
        assert coverage.measured + coverage.interpolated + coverage.extrapolated == pytest.approx(1)
        assert sum(prediction.shares.values()) == pytest.approx(1)
        assert prediction.provenance in prediction.shares


def test_more_pixels_take_longer(predictor: LatencyPredictor) -> None:
    times = [
        predictor.predict(fuse(emit(named_arch("b0"), (side, side), lowering_of(predictor)))).latency_ms
        for side in (64, 160, 320, 640)
    ]
    assert times == sorted(times)


def test_kernel_times_are_one_a_kernel_and_never_negative(
    predictor: LatencyPredictor, graphs: list[KernelGraph]
) -> None:
    times = predictor.kernel_times_us(graphs[0].kernels)
    assert times.shape == (len(graphs[0].kernels),)
    assert (times >= 0).all()
    assert times.sum() > 0


def test_no_kernels_have_zero_terms(predictor: LatencyPredictor, graphs: list[KernelGraph]) -> None:
    assert predictor.terms(()).shape == predictor.terms(graphs[0].kernels).shape
    assert not predictor.terms(()).any()


def test_unknown_operator_is_named_or_costs_something(predictor: LatencyPredictor) -> None:
    shape = TensorType((1, 8, 8, 16))
    kernel = Kernel(KernelSignature("FFT_OF_SOMETHING", (shape,), (shape,)), (0,))
    if isinstance(predictor, FallbackPredictor):
        prediction = predictor.predict(KernelGraph((kernel,), 0))
        assert prediction.latency_ms > 0
        assert prediction.coverage.extrapolated == pytest.approx(1)
        return
    with pytest.raises(MissingCostError, match="FFT_OF_SOMETHING"):
        predictor.terms([kernel])
