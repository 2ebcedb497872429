import numpy as np
import pytest

from evit_nas.latency.predictor.public_kernels import public_kernels
from evit_nas.latency.predictor.public_model import fit_blocks
from evit_nas.latency.predictor.public_rows import PublicBlock, PublicRows
from evit_nas.latency.predictor.public_terms import summed_terms


def made_up_ms(block: PublicBlock, noise: float) -> float:
    """A phone whose time is a plain sum: multiply-accumulates, elements, kernels."""
    us = 0.0
    for name, value in summed_terms(public_kernels(block)).items():
        us += value * {"macs": 55.0, "elements": 300.0, "kernels": 1.0}.get(name.rsplit(" ", 1)[-1], 0.0)
    return us * float(np.exp(noise)) / 1e3


@pytest.fixture(scope="module")
def rows() -> PublicRows:
    rng = np.random.default_rng(0)
    blocks = list(
        dict.fromkeys(
            PublicBlock("conv", *(int(rng.choice(v)) for v in ([16, 24, 32, 48, 64], [16, 24, 32], [16, 24, 32, 40])),
                        *(int(rng.choice(v)) for v in ([2, 3, 4, 6], [1, 2], [3, 5], [0, 1])))
            for _ in range(300)
        )
    )  # fmt: skip
    return PublicRows(tuple(blocks), np.array([made_up_ms(block, rng.normal(0, 0.01)) for block in blocks]))


def test_blocks_never_seen_are_predicted_within_the_noise_and_the_interval_holds(rows: PublicRows) -> None:
    half = len(rows) // 2
    test = rows.take(range(half, len(rows)))
    ms, low, high = fit_blocks(rows.take(range(half))).predict(test.blocks)
    assert np.abs(ms / test.ms - 1).mean() < 0.02
    assert 0.8 <= ((low <= test.ms) & (test.ms <= high)).mean() <= 0.99
    assert (low < ms).all()
    assert (ms < high).all()


def test_a_kind_without_rows_gets_a_time_and_a_wide_interval(rows: PublicRows) -> None:
    ms, low, high = fit_blocks(rows.take(range(20))).predict([PublicBlock("firstconv", 224, 3, 16, stride=2, kernel=3)])
    assert ms[0] > 0
    assert high[0] / low[0] > 1.8


def test_one_row_leaves_other_shapes_of_its_kind_wide_open(rows: PublicRows) -> None:
    _, low, high = fit_blocks(rows.take([0])).predict(rows.take(range(1, 9)).blocks)
    assert (high / low > 2.0).all()
