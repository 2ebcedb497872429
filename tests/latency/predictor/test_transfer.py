import numpy as np
import pytest

from evit_nas.errors import InputError
from evit_nas.latency.predictor.public_rows import PublicBlock, PublicRows
from evit_nas.latency.predictor.transfer import Source, choose_rows, read_source, transfer, transferred_rows


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


def test_a_phone_that_is_slower_on_large_kernels_is_learnt_from_few_rows(source: Source, rows: PublicRows) -> None:
    new = rows.ms * np.array([0.7 if block.kernel == 3 else 0.8 for block in rows.blocks])
    chosen = choose_rows(source, 20)
    found = transfer(source, chosen, new[chosen])
    assert np.abs(found.ms / new - 1).mean() < 0.03  # one factor for all blocks leaves 0.067
    assert ((found.low_ms <= new) & (new <= found.high_ms)).mean() > 0.85
    assert transferred_rows(source, chosen, new[chosen]).ms[chosen].tolist() == new[chosen].tolist()


@pytest.mark.parametrize("ms", [[], [np.nan], [0.0]])
def test_rows_that_are_no_times_are_refused(source: Source, ms: list[float]) -> None:
    with pytest.raises(InputError, match="one positive time a block"):
        transfer(source, np.arange(len(ms)), np.array(ms))


def test_more_rows_than_there_are_is_refused(source: Source) -> None:
    with pytest.raises(InputError, match="must be 1 to"):
        choose_rows(source, 10_000)
