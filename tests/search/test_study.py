from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evit_nas.errors import InputError
from evit_nas.search.objective import Rows, Scores
from evit_nas.search.pareto import hypervolume, objectives
from evit_nas.search.study import Generation, StudyResult, run_study
from evit_nas.space.space import SearchSpace

BUDGET_MS = 30.0


def _run(space: SearchSpace, score, trials: int = 300, seed: int = 0, **more) -> StudyResult:
    return run_study(space, score, budget_ms=BUDGET_MS, trials=trials, seed=seed, **more)


def test_no_member_is_scored_twice_and_the_count_is_exact(space: SearchSpace, surrogate) -> None:
    result = _run(space, surrogate)
    assert len(result.rows) == len(result.scores) == 300
    assert len(set(surrogate.evaluated)) == len(surrogate.evaluated) == 300
    assert surrogate.calls == result.generations
    assert np.array_equal(space.canonical(result.rows), result.rows)


def test_same_seed_same_front_and_another_seed_another_path(space: SearchSpace, surrogate) -> None:
    first, second, other = (_run(space, surrogate, seed=seed) for seed in (5, 5, 6))
    assert np.array_equal(first.rows, second.rows)
    assert np.array_equal(first.front(), second.front())
    assert not np.array_equal(first.rows, other.rows)


def test_the_front_keeps_the_budget_and_is_not_dominated(space: SearchSpace, surrogate) -> None:
    result = _run(space, surrogate)
    points = objectives(result.scores)
    inside = points[result.feasible]
    for i in result.front():
        assert result.scores.latency_ms[i] <= BUDGET_MS
        assert not ((inside <= points[i]).all(axis=1) & (inside < points[i]).any(axis=1)).any()
    assert result.best(3)[0] == np.flatnonzero(result.feasible)[result.scores.metric_low[result.feasible].argmax()]


def test_seeds_are_evaluated_first(space: SearchSpace, surrogate) -> None:
    seeds = space.sample_rows(9, 4)
    assert _run(space, surrogate, trials=60, seeds=seeds).rows[:4].tolist() == seeds.tolist()


def _volume(scores: Scores) -> float:
    scale = np.array([1.0, 1e9, BUDGET_MS])
    return hypervolume(objectives(scores) / scale, np.array([-40.0, 2.0, 1.0]))


def test_it_beats_random_search_at_equal_evaluations(space: SearchSpace, surrogate) -> None:
    for seed in range(3):
        random = surrogate(space.sample_rows(seed, 600))
        found = _run(space, surrogate, trials=600, seed=seed).scores
        assert _volume(found) > 1.05 * _volume(random) > 0


@pytest.mark.parametrize("cut", [1, 3])
def test_an_interrupted_search_goes_on_to_the_same_result(space: SearchSpace, surrogate, cut: int) -> None:
    whole = _run(space, surrogate)
    kept: list[Generation] = []

    def stop(generation: Generation) -> None:
        kept.append(generation)
        if len(kept) == cut:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _run(space, surrogate, on_generation=stop)
    surrogate.evaluated.clear()
    later: list[Generation] = []
    resumed = _run(space, surrogate, finished=kept, on_generation=later.append)
    assert np.array_equal(resumed.rows, whole.rows)
    assert np.array_equal(resumed.scores.latency_ms, whole.scores.latency_ms)
    assert later[0].number == cut
    assert len(surrogate.evaluated) == 300 - sum(len(generation.rows) for generation in kept)


def test_generations_of_another_search_are_refused(space: SearchSpace, surrogate) -> None:
    kept: list[Generation] = []
    _run(space, surrogate, trials=100, on_generation=kept.append)
    with pytest.raises(InputError, match="not what this search evaluates there"):
        _run(space, surrogate, seed=1, finished=kept)


def test_a_space_smaller_than_the_trials_is_evaluated_completely(space: SearchSpace, surrogate) -> None:
    tiny = space.restrict(frozenset({"resolution"})).restrict(frozenset({"head"}))
    result = _run(tiny, surrogate, trials=10_000)
    assert len(result.rows) == tiny.size()


def test_an_optuna_storage_is_used_and_continued(space: SearchSpace, surrogate, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    first = _run(space, surrogate, trials=12, storage=url, population=10)
    assert first.study_ms_per_trial > 0
    second = _run(space, surrogate, trials=20, storage=url, population=10)
    assert len(second.rows) == 20
    assert second.rows[:12].tolist() == first.rows.tolist()
    with pytest.raises(InputError, match="searches another space"):
        _run(space.restrict(frozenset({"width"})), surrogate, trials=20, storage=url)
    with pytest.raises(InputError, match="cannot be opened"):
        _run(space, surrogate, trials=20, storage=f"sqlite:////{tmp_path}/none/there/study.db")


def test_scores_that_fail_reach_the_caller(space: SearchSpace) -> None:
    def broken(rows: Rows) -> Scores:
        raise InputError("no such kernel")

    with pytest.raises(InputError, match="no such kernel"):
        _run(space, broken)
    with pytest.raises(InputError, match="at least 1"):
        _run(space, broken, trials=0)
