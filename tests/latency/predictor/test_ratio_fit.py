"""A made-up new device whose prices differ by kind of kernel is learnt from few chosen rows of a known one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from evit_nas.errors import InputError
from evit_nas.graph.kernel import KernelGraph, KernelSignature
from evit_nas.latency.predictor import ratio_fit
from evit_nas.latency.predictor.base import Floats
from evit_nas.latency.predictor.features import facts
from evit_nas.latency.predictor.kernel_ratio import Index, KernelPrior, kernel_prior
from evit_nas.latency.predictor.ratio_fit import NetworkTime, transfer_kernels
from evit_nas.latency.predictor.row_choice import choose_kernels

TrueUs = Callable[[KernelSignature], float]


def new_us(signature: KernelSignature) -> float:
    """Twice as fast at computing, dearer to start and to move, depthwise worse than the rest."""
    fact = facts(signature)
    slow = 1.5 if signature.kind == "DEPTHWISE_CONV_2D" else 1.0
    return 1.5 + slow * fact.macs / 60e3 + 1.3 * sum(fact.tensor_bytes) / 20e3 + fact.elements / 5e3


@pytest.fixture(scope="module")
def options(b0_graph: KernelGraph, b1_graph: KernelGraph) -> list[list[KernelSignature]]:
    return [[kernel.signature for kernel in graph.kernels] for graph in (b0_graph, b1_graph)]


@pytest.fixture(scope="module")
def signatures(options: Sequence[Sequence[KernelSignature]]) -> list[KernelSignature]:
    return list(dict.fromkeys(signature for option in options for signature in option))


@pytest.fixture(scope="module")
def prior(signatures: Sequence[KernelSignature], true_us: TrueUs) -> KernelPrior:
    us = np.array([true_us(signature) for signature in signatures])
    return kernel_prior(signatures, us, np.zeros(len(us)))


@pytest.fixture(scope="module")
def places(options: Sequence[Sequence[KernelSignature]], signatures: Sequence[KernelSignature]) -> list[Index]:
    return [np.array([signatures.index(signature) for signature in option]) for option in options]


@pytest.fixture(scope="module")
def chosen(prior: KernelPrior, places: list[Index]) -> Index:
    nothing = np.array([], dtype=np.intp)
    picks = choose_kernels(prior, places, count=15, each=8, known=nothing, cost_s=np.ones(2))
    return np.concatenate([pick.kernels for pick in picks])


@pytest.fixture(scope="module")
def truth(signatures: Sequence[KernelSignature]) -> Floats:
    return np.array([new_us(signature) for signature in signatures])


def test_other_prices_are_learnt_from_few_rows(prior: KernelPrior, chosen: Index, truth: Floats) -> None:
    found = transfer_kernels(prior, chosen, truth[chosen])
    scaled = prior.us * np.exp(np.mean(np.log(truth[chosen] / prior.us[chosen])))
    one_factor = np.abs(scaled / truth - 1).mean()
    assert np.abs(found.us / truth - 1).mean() < min(0.04, 0.4 * one_factor)
    assert abs(found.us.sum() / truth.sum() - 1) < 0.02
    assert (np.abs(np.log(found.us / truth)) < 1.645 * np.hypot(found.relative_sd, 0.02)).mean() > 0.85


def test_a_device_that_differs_more_is_less_certain(prior: KernelPrior, chosen: Index, truth: Floats) -> None:
    near = transfer_kernels(prior, chosen, 2 * prior.us[chosen])
    random = np.random.default_rng(0).normal(0, 0.4, len(chosen))
    far = transfer_kernels(prior, chosen, truth[chosen] * np.exp(random))
    np.testing.assert_allclose(near.us, 2 * prior.us, rtol=1e-6)
    assert np.median(far.relative_sd) > 3 * np.median(near.relative_sd)
    assert np.abs(far.left_out).mean() > 0.1


def networks_of(truth: Floats, count: int, *, seed: int) -> list[NetworkTime]:
    """Made-up networks of thirty kernels, off by 1 % each, none of which the measured rows come from."""
    draw, none = np.random.default_rng(seed), np.array([], dtype=np.intp)
    kernels = [draw.choice(len(truth), 30) for _ in range(count)]
    noise = np.exp(draw.normal(0, 0.01, count))
    return [
        NetworkTime(kernels=own, us=float(truth[own].sum() * off), rows=none)
        for own, off in zip(kernels, noise, strict=True)
    ]


def test_whole_networks_tell_how_far_off_others_are(prior: KernelPrior, chosen: Index, truth: Floats) -> None:
    timed, others = networks_of(truth, 30, seed=1), networks_of(truth, 100, seed=2)
    found = transfer_kernels(prior, chosen[:5], truth[chosen[:5]], timed, [other.kernels for other in others])
    rows_alone = transfer_kernels(prior, chosen[:5], truth[chosen[:5]])
    sums, alone = (np.array([one.us[other.kernels].sum() for other in others]) for one in (found, rows_alone))
    measured = np.array([other.us for other in others])
    assert np.abs(sums / measured - 1).mean() < 0.75 * np.abs(alone / measured - 1).mean()
    assert np.abs(found.networks_left_out).mean() == pytest.approx(np.abs(sums / measured - 1).mean(), rel=0.4)
    uncertain = np.array([(found.us * found.relative_sd)[other.kernels].sum() for other in others])
    low, high = found.spread.bounds(sums, uncertain)
    assert 0.8 <= ((low <= measured) & (measured <= high)).mean() <= 0.98
    assert found.spread.growth < 1  # errors of kernels partly cancel


def test_what_is_left_out_of_a_network_is_its_time(
    prior: KernelPrior, chosen: Index, truth: Floats, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ratio_fit, "AMPLITUDES", (1.0,))
    monkeypatch.setattr(ratio_fit, "NETWORK_NOISES", (0.02,))
    timed = networks_of(truth, 12, seed=3)
    slower = [*timed[:-1], replace(timed[-1], us=1.05 * timed[-1].us)]
    before, after = (transfer_kernels(prior, chosen, truth[chosen], networks) for networks in (timed, slower))
    assert after.networks_left_out[-1] - before.networks_left_out[-1] == pytest.approx(np.log(1.05), rel=0.05)


@pytest.mark.parametrize("us", [[], [np.nan], [0.0]])
def test_rows_that_are_no_times_are_refused(prior: KernelPrior, us: list[float]) -> None:
    with pytest.raises(InputError, match="one positive time a kernel"):
        transfer_kernels(prior, np.arange(len(us)), np.array(us))
