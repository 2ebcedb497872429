from __future__ import annotations

import pytest

from evit_nas.errors import Infeasible
from evit_nas.search.feasibility import check_budget, fastest
from evit_nas.search.objective import Rows, Scores
from evit_nas.space.space import SearchSpace


def test_the_fastest_member_is_found(space: SearchSpace, surrogate) -> None:
    found = fastest(space, surrogate)
    sampled = surrogate(space.sample_rows(0, 5000)).latency_ms
    assert found.latency_ms <= sampled.min()
    assert found.latency_ms == pytest.approx(surrogate(found.row[None]).latency_ms[0])


def test_a_larger_choice_may_be_the_faster_one(space: SearchSpace, surrogate) -> None:
    column = next(i for i, d in enumerate(space.dimensions) if d.name == "stage2.width")

    def twisted(rows: Rows) -> Scores:
        mirrored = rows.copy()
        mirrored[:, column] = 2 - mirrored[:, column]
        return surrogate(mirrored)

    assert fastest(space, twisted).row[column] == 2


def test_an_impossible_budget_names_the_fastest_member(space: SearchSpace, surrogate) -> None:
    latency_ms = fastest(space, surrogate).latency_ms
    assert check_budget(space, surrogate, latency_ms).latency_ms == latency_ms
    with pytest.raises(Infeasible, match=r"budget 1 ms cannot be met: the fastest member of the space takes 5 ms"):
        check_budget(space, surrogate, 1.0)
