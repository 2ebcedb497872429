from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evit_nas.accuracy.estimator.combined import TRANSFER, CombinedEstimator
from evit_nas.accuracy.estimator.members import Member, Members
from evit_nas.accuracy.estimator.published import PublishedEstimator
from evit_nas.errors import InputError
from evit_nas.space.arch import ArchConfig, MBConvConfig, named_arch

SIZE = (512, 1024)
B0 = named_arch("b0", upsample="bicubic")


def _network(width: float, kernel: int, arch: ArchConfig = B0) -> ArchConfig:
    stages = [
        replace(
            stage,
            width=16 * round(stage.width * width / 16),
            down=MBConvConfig(kernel=kernel),
            blocks=tuple(replace(block, mbconv=MBConvConfig(kernel=kernel)) for block in stage.blocks),
        )
        for stage in arch.stages
    ]
    return replace(arch, stages=tuple(stages))


@pytest.fixture(scope="module")
def members() -> Members:
    """Kernel 7 is worth 2 points at equal size."""
    rng = np.random.default_rng(0)
    rows = [
        Member(
            arch=_network(width, kernel),
            resolution=(128, 160),
            value=45 + 4 * np.log(width) + 2 * np.log2(kernel / 3) / np.log2(7 / 3) + rng.normal(0, 0.1),
            seeds=1,
        )
        for width in (1.0, 1.5, 2.0, 2.5, 3.0)
        for kernel in (3, 5, 7)
    ]
    return Members(metric="miou", rows=tuple(rows))


def test_official_networks_keep_their_published_estimate(members: Members) -> None:
    estimator, published = CombinedEstimator(members, name="here"), PublishedEstimator()
    for name in ("b0", "b3"):
        arch = named_arch(name, upsample="bicubic")
        assert estimator.estimate(arch, SIZE) == published.estimate(arch, SIZE)


def test_a_measured_effect_is_earned_and_widens_the_interval(members: Members) -> None:
    estimator, published = CombinedEstimator(members, name="here"), PublishedEstimator()
    arch = _network(1.0, 7)
    with_effect, without = estimator.estimate(arch, SIZE), published.estimate(arch, SIZE)
    added = with_effect.value - without.value
    assert 1.5 < added < 2.2
    assert with_effect.departures[-1] == f"measured effects add {added:+.2f} points"
    assert without.low < with_effect.low < without.low + (1 - TRANSFER) * added
    assert estimator.evidence == published.evidence | {"kernel"}
    assert "effects measured on here" in estimator.label


def test_top1_is_refused(members: Members) -> None:
    with pytest.raises(InputError, match="needs miou"):
        CombinedEstimator(replace(members, metric="top1"), name="here")
