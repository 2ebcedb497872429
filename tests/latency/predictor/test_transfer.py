from pathlib import Path

import numpy as np
import pytest

from evit_nas.errors import InputError
from evit_nas.latency.predictor.public_rows import PublicBlock, PublicRows, read_public_rows
from evit_nas.latency.predictor.transfer import (
    Source,
    choose_rows,
    left_out_width,
    read_source,
    transfer,
    transferred_rows,
)

BLOCKS = Path(__file__).parents[4] / "shared/data/phones/nnmeter_elasticvit_lut/blocks_v3.csv"


@pytest.fixture(scope="module")
def rows() -> PublicRows:
    blocks = [
        PublicBlock("conv", side, cin, cout, expand, stride, kernel, 0)
        for side in (16, 32, 64)
        for cin in (16, 32)
        for cout in (16, 24, 32)
        for expand in (2, 4, 6)
        for stride in (1, 2)
        for kernel in (3, 5)
    ]
    ms = np.array([b.hw_in**2 * b.cin * b.expand * (b.cin + b.kernel**2 + b.cout) * 6e-8 for b in blocks])
    return PublicRows(tuple(blocks), ms)


@pytest.fixture(scope="module")
def source(rows: PublicRows) -> Source:
    return read_source(rows)


def test_chosen_rows_are_distinct_repeatable_and_inside_the_pool(source: Source) -> None:
    pool = np.arange(0, 200, 2)
    chosen = choose_rows(source, 12, pool=pool, seed=3)
    assert len(set(chosen.tolist())) == 12
    assert set(chosen.tolist()) <= set(pool.tolist())
    assert chosen.tolist() == choose_rows(source, 12, pool=pool, seed=3).tolist()


def test_a_phone_that_is_slower_at_depthwise_is_learnt_from_few_rows(source: Source, rows: PublicRows) -> None:
    share = np.array([block.kernel**2 / (block.cin + block.kernel**2 + block.cout) for block in rows.blocks])
    new = 0.7 * rows.ms * (1 + 0.3 * share)
    chosen = choose_rows(source, 20)
    found = transfer(source, chosen, new[chosen])
    assert np.abs(found.ms / new - 1).mean() < 0.02  # one factor for all blocks leaves 0.026
    assert (found.low_ms < found.ms).all()
    assert (found.ms < found.high_ms).all()
    assert transferred_rows(source, chosen, new[chosen]).ms[chosen].tolist() == new[chosen].tolist()


@pytest.mark.parametrize("ms", [[], [np.nan], [0.0]])
def test_rows_that_are_no_times_are_refused(source: Source, ms: list[float]) -> None:
    with pytest.raises(InputError, match="one positive time a block"):
        transfer(source, np.arange(len(ms)), np.array(ms))


def test_more_rows_than_there_are_is_refused(source: Source) -> None:
    with pytest.raises(InputError, match="must be 1 to"):
        choose_rows(source, 10_000)


@pytest.mark.skipif(not BLOCKS.exists(), reason="the measured blocks of public phones are not beside the project")
def test_thirty_rows_of_a_measured_phone_give_the_others_within_three_percent() -> None:
    old, new = (read_public_rows(BLOCKS, column) for column in ("pixel4_ms", "xiaomi11_ms"))
    index = [i for i, block in enumerate(old.blocks) if block.block == "conv"]
    source, ms = read_source(old.take(index)), new.take(index).ms
    chosen = choose_rows(source, 30)
    found = transfer(source, chosen, ms[chosen])
    assert np.abs(found.ms / ms - 1).mean() < 0.03
    assert 0.85 < ((found.low_ms <= ms) & (ms <= found.high_ms)).mean() < 0.98


def test_how_another_known_phone_differs_is_a_hint(rows: PublicRows) -> None:
    """The new phone is dear where the further one is, for a reason that no feature shows."""
    odd = np.random.default_rng(0).normal(0, 0.15, len(rows))
    further, new = rows.ms * np.exp(0.8 * odd), 0.5 * rows.ms * np.exp(odd)
    alone, helped = read_source(rows), read_source(rows, [PublicRows(rows.blocks, further)])
    errors = []
    for source in (alone, helped):
        chosen = choose_rows(source, 12)
        errors.append(np.abs(transfer(source, chosen, new[chosen]).ms / new - 1).mean())
    assert errors[1] < 0.03 < errors[0]


def test_further_phones_must_have_the_same_blocks(rows: PublicRows) -> None:
    with pytest.raises(InputError, match="same blocks"):
        read_source(rows, [rows.take(range(len(rows) - 1))])


def test_left_out_errors_widen_or_narrow_an_interval() -> None:
    """Few of them less so than many."""
    usual = np.abs(np.random.default_rng(0).normal(size=1000))
    assert left_out_width(usual) == pytest.approx(1.645, abs=0.1)
    assert left_out_width(3 * usual) == pytest.approx(3 * left_out_width(usual))
    few = [left_out_width(factor * np.ones(8)) for factor in (0.5, 1.0, 3.0)]
    assert 1.0 < few[0] < few[1] < few[2] < 3 * 1.645
    assert few[1] > 1.7  # Student's quantile: eight errors and the width stated are not certain
