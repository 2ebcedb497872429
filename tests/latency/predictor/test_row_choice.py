from __future__ import annotations

import numpy as np
import pytest

from evit_nas.errors import InputError
from evit_nas.latency.predictor.kernel_ratio import Index, KernelPrior, kernel_prior
from evit_nas.latency.predictor.ratio_fit import NOISE
from evit_nas.latency.predictor.row_choice import choose_kernels
from evit_nas.latency.table.store import Table

NOTHING: Index = np.array([], dtype=np.intp)


@pytest.fixture(scope="module")
def prior(table: Table) -> KernelPrior:
    return kernel_prior(
        [row.signature for row in table.rows],
        np.array([row.median_us for row in table.rows]),
        np.zeros(len(table.rows)),
    )


@pytest.fixture(scope="module")
def options(prior: KernelPrior) -> list[Index]:
    """Six networks of twenty kernels; one kernel in four stands in two of them."""
    draw = np.random.default_rng(0)
    return [draw.choice(len(prior.us), 20, replace=False) for _ in range(6)]


def left_over(prior: KernelPrior, option: Index, measured: Index) -> float:
    """Variance of the network's latency, given rows."""
    shares = prior.us[option] / prior.us[option].sum()
    gram = prior.covariance(measured, measured) + NOISE**2 * np.eye(len(measured))
    cross = shares @ prior.covariance(option, measured)
    own = shares @ prior.covariance(option, option) @ shares
    return float(own - cross @ np.linalg.solve(gram, cross))


def test_rows_are_distinct_few_to_a_network_and_new(prior: KernelPrior, options: list[Index]) -> None:
    known = options[0][:5]
    picks = choose_kernels(prior, options, count=14, each=4, known=known, cost_s=np.ones(6))
    rows = [kernel for pick in picks for kernel in pick.kernels.tolist()]
    assert len(rows) == len(set(rows)) == 14
    assert not set(rows) & set(known.tolist())
    assert all(set(pick.kernels.tolist()) <= set(options[pick.option].tolist()) for pick in picks)
    assert max(len(pick.kernels) for pick in picks) == 4
    assert len({pick.option for pick in picks}) == len(picks)


def test_no_more_rows_than_the_networks_hold(prior: KernelPrior, options: list[Index]) -> None:
    picks = choose_kernels(prior, options[:1], count=99, each=99, known=NOTHING, cost_s=np.ones(1))
    assert sorted(picks[0].kernels.tolist()) == sorted(options[0].tolist())


def test_chosen_rows_say_more_than_random_ones(prior: KernelPrior, options: list[Index]) -> None:
    picks = choose_kernels(prior, options, count=8, each=2, known=NOTHING, cost_s=np.ones(6))
    chosen = np.concatenate([pick.kernels for pick in picks])
    draw = np.random.default_rng(1)
    drawn = [draw.choice(len(prior.us), 8, replace=False) for _ in range(20)]
    own = np.mean([left_over(prior, option, chosen) for option in options])
    others = [np.mean([left_over(prior, option, rows) for option in options]) for rows in drawn]
    assert own < 0.8 * np.median(others)
    assert own < np.min(others)


def test_a_dear_network_is_left_out(prior: KernelPrior, options: list[Index]) -> None:
    dear = choose_kernels(prior, options, count=4, each=2, known=NOTHING, cost_s=np.ones(6))[0].option
    costs = np.where(np.arange(6) == dear, 1e6, 1.0)
    picks = choose_kernels(prior, options, count=4, each=2, known=NOTHING, cost_s=costs)
    assert dear not in {pick.option for pick in picks}


def test_no_row_to_choose_is_refused(prior: KernelPrior, options: list[Index]) -> None:
    with pytest.raises(InputError, match="at least 1"):
        choose_kernels(prior, options, count=0, each=2, known=NOTHING, cost_s=np.ones(6))
