"""Batch scoring equals one network at a time."""

from __future__ import annotations

import numpy as np
import pytest

from evit_nas.accuracy.estimator.published import PublishedEstimator
from evit_nas.graph.cost import arch_macs, arch_params
from evit_nas.graph.lowering import AUTHORS, OURS
from evit_nas.space.space import load_space
from evit_nas.workflows.latency import kernels_of, open_device
from evit_nas.workflows.scoring import PopulationScorer

MEMBERS = 12


@pytest.mark.parametrize(
    ("space_name", "source"), [("efficientvit-seg", "published"), ("efficientvit-cls", "published-cls")]
)
@pytest.mark.parametrize("lowering", [AUTHORS, OURS], ids=["authors", "ours"])
def test_batch_equals_single(space_name, source, lowering):
    space, model, estimator = load_space(space_name), open_device("sm8450"), PublishedEstimator(source)
    members = space.sample(3, MEMBERS)
    scores = PopulationScorer(space, model.predictor, estimator, lowering).score(space.encode(members))
    for i, member in enumerate(members):
        prediction = model.predictor.predict(kernels_of(member.arch, member.resolution, lowering))
        estimate = estimator.estimate(member.arch, member.resolution)
        assert scores.latency_ms[i] == pytest.approx(prediction.latency_ms, rel=1e-6)
        assert scores.latency_low_ms[i] == pytest.approx(prediction.low_ms, rel=1e-6)
        assert scores.latency_high_ms[i] == pytest.approx(prediction.high_ms, rel=1e-6)
        assert scores.metric_value[i] == pytest.approx(estimate.value, rel=1e-6)
        assert scores.metric_low[i] == pytest.approx(estimate.low, rel=1e-6)
        assert scores.macs[i] == arch_macs(member.arch, member.resolution)
        assert scores.params[i] == arch_params(member.arch)


def test_order_and_repetition_do_not_matter():
    space = load_space("efficientvit-seg")
    scorer = PopulationScorer(space, open_device("sm8450").predictor, PublishedEstimator("published"), AUTHORS)
    rows = space.sample_rows(5, 6)
    once = scorer.score(rows).latency_ms
    again = scorer.score(np.concatenate([rows[::-1], rows])).latency_ms
    assert np.allclose(again, np.concatenate([once[::-1], once]), rtol=1e-12)


def test_extrapolated_share_is_a_share():
    space = load_space("efficientvit-seg")
    scorer = PopulationScorer(space, open_device("sm8450").predictor, PublishedEstimator("published"), AUTHORS)
    shares = scorer.extrapolated(space.sample_rows(1, 20))
    assert ((shares >= 0) & (shares <= 1)).all()
    assert shares.max() > 0  # kernels 5 and 7 were never on the phone
