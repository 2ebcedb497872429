from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evit_nas.search.objective import Scores
from evit_nas.search.pareto import front, hypervolume, objectives, ranks, select_best


def _scores(latency_ms: list[float], metric: list[float], macs: list[int] | None = None) -> Scores:
    latency = np.array(latency_ms, dtype=np.float64)
    low = np.array(metric, dtype=np.float64)
    count = np.array(macs if macs is not None else [1] * len(low), dtype=np.int64)
    return Scores(
        latency_ms=latency,
        latency_low_ms=latency,
        latency_high_ms=latency,
        macs=count,
        params=count,
        metric_value=low,
        metric_low=low,
        metric_high=low,
    )


POINTS = st.lists(st.tuples(*[st.integers(0, 6)] * 3), min_size=1, max_size=30)


@settings(max_examples=100, deadline=None)
@given(POINTS)
def test_front_and_ranks_agree_with_the_definition(points: list[tuple[int, int, int]]) -> None:
    table = np.array(points, dtype=np.float64)

    def dominated(i: int) -> bool:
        return any((table[j] <= table[i]).all() and (table[j] < table[i]).any() for j in range(len(table)))

    expected = {i for i in range(len(table)) if not dominated(i)}
    assert {tuple(table[i]) for i in front(table)} == {tuple(table[i]) for i in expected}
    assert len({tuple(table[i]) for i in front(table)}) == len(front(table))
    assert set(np.flatnonzero(ranks(table) == 0)) == expected


def test_ranks_peel_fronts() -> None:
    assert ranks(np.array([[0.0, 0], [1, 1], [2, 2], [0, 3]])).tolist() == [0, 1, 2, 1]


def test_hypervolume_of_known_shapes() -> None:
    square = np.array([[1.0, 2], [2, 1], [2, 2]])
    assert hypervolume(square, np.array([3.0, 3])) == pytest.approx(3.0)
    cube = np.array([[0.0, 0, 1], [0, 1, 0], [1, 0, 0]])
    assert hypervolume(cube, np.array([2.0, 2, 2])) == pytest.approx(7.0)
    assert hypervolume(np.array([[4.0, 4]]), np.array([3.0, 3])) == 0.0


@settings(max_examples=50, deadline=None)
@given(POINTS)
def test_hypervolume_counts_the_cells_that_are_dominated(points: list[tuple[int, int, int]]) -> None:
    table = np.array(points, dtype=np.float64)
    cells = np.stack(np.meshgrid(*[np.arange(7)] * 3), axis=-1).reshape(-1, 3)
    covered = (table[None] <= cells[:, None]).all(axis=2).any(axis=1).sum()
    assert hypervolume(table, np.array([7.0, 7, 7])) == pytest.approx(covered)


def test_winners_keep_the_budget_lead_with_the_best_and_spread_over_useful_latencies() -> None:
    latency = [*range(10, 210, 10), 50]
    metric = [*np.linspace(50, 70, 20), 40]
    scores = _scores(latency, metric)
    winners = select_best(scores, 150.0, 4)
    assert scores.latency_ms[winners].tolist() == [150, 120, 90, 60]  # 60 ms is 40 % of the budget
    assert 20 not in winners  # as fast as another and worse


def test_a_front_that_starts_high_is_spread_from_there() -> None:
    scores = _scores([*range(100, 151, 10)], [*range(60, 66)])
    assert scores.latency_ms[select_best(scores, 150.0, 3)].tolist() == [150, 130, 100]


def test_where_few_are_near_the_budget_the_slowest_win() -> None:
    scores = _scores([5, 10, 20, 30, 140], [1, 2, 3, 4, 5])
    assert scores.latency_ms[select_best(scores, 150.0, 3)].tolist() == [140, 30, 20]
    assert scores.latency_ms[select_best(scores, 1000.0, 2)].tolist() == [140, 30]


def test_fewer_members_than_winners_are_all_returned() -> None:
    assert select_best(_scores([10, 20, 30], [1, 2, 3]), 20.0, 5).tolist() == [1, 0]
    assert len(select_best(_scores([10.0], [1.0]), 5.0, 3)) == 0


def test_objectives_are_all_to_be_minimised() -> None:
    assert objectives(_scores([10], [70], [5])).tolist() == [[-70, 5, 10]]
