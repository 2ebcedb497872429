"""What every accuracy estimator holds. A new one joins by adding a line to ESTIMATORS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from evit_nas.accuracy.estimator.base import AccuracyEstimator
from evit_nas.accuracy.estimator.combined import CombinedEstimator
from evit_nas.accuracy.estimator.measured import MeasuredEstimator
from evit_nas.accuracy.estimator.members import Member, Members
from evit_nas.accuracy.estimator.published import PublishedEstimator
from evit_nas.graph.blocks import layout
from evit_nas.space.arch import ArchConfig, Resolution, StageConfig, named_arch


def _members() -> Members:
    """Of several widths, kernels and inputs, with made-up values."""
    arch = named_arch("b0")
    rows = [
        Member(
            arch=replace(arch, stages=tuple(_changed(s, factor, 3 + 2 * (i % 2)) for s in arch.stages)),
            resolution=(side, 2 * side),
            value=40 + 3 * factor + side / 100,
            seeds=1,
        )
        for i, factor in enumerate((1.0, 1.5, 2.0, 2.5, 3.0, 3.5))
        for side in (256, 512)
    ]
    return Members(metric="miou", rows=tuple(rows))


def _changed(stage: StageConfig, factor: float, kernel: int) -> StageConfig:
    down = replace(stage.down, kernel=kernel)
    return replace(stage, width=8 * round(stage.width * factor / 8), down=down)


ESTIMATORS: dict[str, tuple[Callable[[], AccuracyEstimator], tuple[str, ...], tuple[Resolution, ...]]] = {
    "published": (PublishedEstimator, ("b0", "b1", "b2", "b3"), ((256, 512), (768, 1536), (1024, 2048))),
    "published-ade20k": (
        lambda: PublishedEstimator("published-ade20k"),
        ("b1-ade20k", "b2-ade20k", "b3-ade20k"),
        ((256, 256), (512, 512)),
    ),
    "measured": (lambda: MeasuredEstimator(_members(), name="made up"), ("b0", "b1"), ((256, 512), (512, 1024))),
    "published+measured": (
        lambda: CombinedEstimator(_members(), name="made up"),
        ("b0", "b3"),
        ((256, 512), (1024, 2048)),
    ),
    "published-cls": (lambda: PublishedEstimator("published-cls"), ("b0-cls", "b3-cls"), ((160, 160), (288, 288))),
}


@pytest.fixture(params=sorted(ESTIMATORS))
def case(request: pytest.FixtureRequest) -> tuple[AccuracyEstimator, list[tuple[ArchConfig, Resolution]]]:
    make, names, resolutions = ESTIMATORS[request.param]
    networks = [(named_arch(name), resolution) for name in names for resolution in resolutions]
    plain, resolution = networks[0]
    first = plain.stages[2].blocks[0]
    odd = replace(plain.stages[2], blocks=(replace(first, msa=None, mbconv=replace(first.mbconv, expand=2, kernel=5)),))
    networks.append((replace(plain, stages=(*plain.stages[:2], odd, plain.stages[3])), resolution))
    return make(), networks


def _batch(estimator: AccuracyEstimator, networks: list[tuple[ArchConfig, Resolution]]):
    sums = [
        sum((estimator.terms((placed.block,)) for placed in layout(arch, resolution)), estimator.terms(()))
        for arch, resolution in networks
    ]
    return estimator.combine(np.array(sums), np.array([resolution for _, resolution in networks], dtype=np.float64))


def test_batch_of_block_terms_equals_single_estimate(case) -> None:
    estimator, networks = case
    batch = _batch(estimator, networks)
    for i, (arch, resolution) in enumerate(networks):
        single = estimator.estimate(arch, resolution)
        expected = (single.value, single.low, single.high)
        assert (batch.value[i], batch.low[i], batch.high[i]) == pytest.approx(expected, rel=1e-6)


def test_interval_holds_the_value_and_stays_in_percent(case) -> None:
    estimator, networks = case
    batch = _batch(estimator, networks)
    assert (batch.low <= batch.value).all()
    assert (batch.value <= batch.high).all()
    assert (batch.low >= 0).all()
    assert (batch.high <= 100).all()
    assert (batch.high > batch.low).all()


def test_terms_add_up_and_an_empty_list_has_none(case) -> None:
    estimator, networks = case
    blocks = [placed.block for placed in layout(*networks[0])]
    assert estimator.terms(blocks) == pytest.approx(estimator.terms(blocks[:5]) + estimator.terms(blocks[5:]))
    assert not estimator.terms(()).any()


def test_says_what_it_is(case) -> None:
    estimator, _ = case
    assert estimator.metric in ("miou", "top1")
    assert estimator.label
    assert "resolution" in estimator.evidence or "width" in estimator.evidence
