"""The search: NSGA-II of Optuna over the rows of a space, in generations that are scored in one batch each."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import Trial, TrialState

from evit_nas.errors import InputError
from evit_nas.search.breeding import Breeder
from evit_nas.search.objective import Rows, Score, Scores, join
from evit_nas.search.packing import Row
from evit_nas.search.pareto import Indices, front, objectives, select_best
from evit_nas.space.space import SearchSpace

POPULATION = 20  # docs/decisions.md has the others that were tried
STUDY_NAME = "evit-nas"
# lower bound of the metric, MACs, latency
DIRECTIONS = (StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE, StudyDirection.MINIMIZE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Generation:
    """Members evaluated together, none of them before: rows (N, D) and their scores."""

    number: int
    rows: Rows
    scores: Scores


@dataclass(frozen=True, kw_only=True)
class StudyResult:
    """Every evaluated member in order. `study_ms_per_trial`: what Optuna and breeding cost beside the scoring."""

    rows: Rows
    scores: Scores
    budget_ms: float
    generations: int
    study_ms_per_trial: float

    @property
    def feasible(self) -> NDArray[np.bool_]:
        """Whose latency is within the budget."""
        return self.scores.latency_ms <= self.budget_ms

    def front(self) -> Indices:
        """Feasible members on the front of all three objectives, best metric first."""
        members = np.flatnonzero(self.feasible)
        return np.asarray(members[front(objectives(self.scores.take(members)))])

    def best(self, k: int) -> Indices:
        """`k` winners: the best metric first, the others spread over latencies not far below the budget."""
        return select_best(self.scores, self.budget_ms, k)


def run_study(
    space: SearchSpace,
    score: Score,
    *,
    budget_ms: float,
    trials: int = 2000,
    seed: int = 0,
    seeds: Rows | None = None,
    population: int = POPULATION,
    storage: str | None = None,
    finished: Sequence[Generation] = (),
    on_generation: Callable[[Generation], None] | None = None,
) -> StudyResult:
    """Search `space` for members within `budget_ms`; `trials` evaluations, each of a different member.

    seeds: rows (M, D) evaluated first. finished: generations of an earlier, interrupted run with the same arguments;
    they are not scored again, and the result equals that of a run without interruption. on_generation gets every
    newly scored generation, so an interrupt loses at most the one under way. storage: an Optuna storage URL instead of
    memory; a study there is continued. Raises InputError where `finished` does not belong to this search.
    """
    if trials < 1:
        raise InputError(f"trials {trials}: must be at least 1")
    if storage is not None and finished:
        raise InputError("a search goes on from its run folder or from its storage, not from both")
    search = _Search(space, score, budget_ms, seed, population, storage)
    empty = np.empty((0, len(space.dimensions)), dtype=np.int32)
    search.prepare(seeds if seeds is not None else empty, trials)
    while search.evaluated < min(trials, space.size()):
        generation = search.advance(trials - search.evaluated, finished)
        if generation is None:
            break
        if generation.number >= len(finished) and on_generation is not None:
            on_generation(generation)
    return search.result()


class _Search:
    """The state of one run: an Optuna study, the breeder that feeds it, and what was evaluated."""

    def __init__(
        self, space: SearchSpace, score: Score, budget_ms: float, seed: int, population: int, storage: str | None
    ) -> None:
        self.space = space
        self.breeder = Breeder(space, seed)
        self.packing = self.breeder.packing
        self.score = score
        self.budget_ms = budget_ms
        self.population = population
        self.done: list[Generation] = []
        self.known: dict[bytes, tuple[float, ...]] = {}
        self.study = _open_study(self.breeder, population, seed, storage)
        self.distributions: dict[str, BaseDistribution] = {
            parameter.name: IntDistribution(0, parameter.size - 1) for parameter in self.breeder.packing.parameters
        }
        self.first_number = 0
        self.waiting: list[Row] = []
        self.study_s = 0.0
        self.asked = 0

    @property
    def evaluated(self) -> int:
        return len(self.known)

    def prepare(self, seeds: Rows, trials: int) -> None:
        """Choose the first generation, or adopt the trials of a study that goes on from a storage."""
        start = time.perf_counter()
        if self.study.trials:
            self._adopt()
        elif self.space.size() <= trials:
            self.waiting = self.breeder.everyone(seeds)
        else:
            self.waiting = self.breeder.first(seeds, self.population)
        self.study_s += time.perf_counter() - start

    def _adopt(self) -> None:
        """Score what the storage holds again (cheap, and all columns are there), and let go of what was cut off."""
        trials = self.study.get_trials(deepcopy=False)
        for trial in trials:
            if trial.state == TrialState.RUNNING:
                self.study.tell(trial.number, state=TrialState.FAIL)
        rows = self._fresh([self.packing.unpack(t.params) for t in trials if t.state == TrialState.COMPLETE])
        self.first_number = len(trials) // self.population
        if len(rows):
            self._remember(rows, self.score(rows))

    def advance(self, left: int, finished: Sequence[Generation]) -> Generation | None:
        """Ask for a generation, score what is new in it, tell all. None where nothing new was found."""
        start = time.perf_counter()
        number = len(self.done)
        self.breeder.start(self.first_number + number)
        count = min(self.population, left)
        given, self.waiting = self.waiting[:count], self.waiting[count:]
        for row in given:
            self.study.enqueue_trial(self.packing.pack(row))
        trials = [self._ask(enqueued=i < len(given)) for i in range(count)]
        rows = self.space.canonical(np.array([self.packing.unpack(trial.params) for trial in trials]))
        fresh = self._fresh(rows)
        self.study_s += time.perf_counter() - start
        if len(fresh):
            scores = _recorded(finished[number], fresh) if number < len(finished) else self.score(fresh)
            self._remember(fresh, scores)
        start = time.perf_counter()
        for trial, row in zip(trials, rows, strict=True):
            self._tell(trial, self.known[row.tobytes()])
        self.asked += len(trials)
        self.study_s += time.perf_counter() - start
        return self.done[-1] if len(fresh) else None

    def _ask(self, *, enqueued: bool) -> Trial:
        trial = self.study.ask(self.distributions)
        if enqueued:
            # Optuna counts a trial to a generation only when its sampler is asked, which enqueued trials never need;
            # without this the first generation, seeds included, would be no one's parents.
            self.breeder.idle = True
            _ = trial.relative_params
            self.breeder.idle = False
        return trial

    def _fresh(self, rows: Iterable[Row]) -> Rows:
        """Rows (n, D) never scored, each once."""
        different = {row.tobytes(): row for row in rows if row.tobytes() not in self.known}
        return np.array(list(different.values()), dtype=np.int32).reshape(len(different), self.packing.width)

    def _remember(self, rows: Rows, scores: Scores) -> None:
        columns = (scores.metric_low, scores.macs, scores.latency_ms)
        values = np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1).tolist()
        for row, value in zip(rows, values, strict=True):
            self.known[row.tobytes()] = tuple(value)
            self.breeder.seen.add(row.tobytes())
        self.done.append(Generation(number=len(self.done), rows=rows, scores=scores))

    def _tell(self, trial: Trial, values: tuple[float, ...]) -> None:
        trial.set_constraint("latency_ms over the budget", values[2] - self.budget_ms)
        self.study.tell(trial, values)

    def result(self) -> StudyResult:
        return StudyResult(
            rows=np.concatenate([generation.rows for generation in self.done]),
            scores=join([generation.scores for generation in self.done]),
            budget_ms=self.budget_ms,
            generations=len(self.done),
            study_ms_per_trial=1000 * self.study_s / max(1, self.asked),
        )


def _recorded(generation: Generation, rows: Rows) -> Scores:
    """The scores of a finished generation; its rows must be those that this search asks for."""
    if not np.array_equal(generation.rows, rows):
        raise InputError(
            f"generation {generation.number} of the run is not what this search evaluates there: "
            "it was made with another space, seed, budget or version; start a new run"
        )
    return generation.scores


def _open_study(breeder: Breeder, population: int, seed: int, storage: str | None) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.NSGAIISampler(
            population_size=population, seed=seed, child_generation_strategy=breeder
        )
    study = optuna.create_study(
        storage=None if storage is None else open_storage(storage),
        sampler=sampler,
        study_name=STUDY_NAME if storage else None,
        directions=DIRECTIONS,
        load_if_exists=True,
    )
    if storage is not None:
        _check_same_search(study, breeder, storage)
    return study


def open_storage(url: str) -> BaseStorage:
    """The Optuna storage at `url`. Raises InputError where it cannot be opened."""
    try:
        return optuna.storages.get_storage(url)
    except Exception as error:  # each storage backend raises its own kind
        raise InputError(f"storage {url}: cannot be opened ({_first_line(error)})") from None


def _check_same_search(study: optuna.Study, breeder: Breeder, storage: str) -> None:
    wanted = {d.name: len(d.choices) for d in breeder.space.dimensions}
    found = study.user_attrs.get("choices")
    if found is None:
        study.set_user_attr("choices", wanted)
    elif found != wanted:
        raise InputError(f"storage {storage}: its study {STUDY_NAME!r} searches another space; use another storage")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
