"""`evit-nas search`: the most accurate networks within a latency budget, and a run folder that tells how."""

from __future__ import annotations

import time
from pathlib import Path

from evit_nas.accuracy.estimator.sources import open_source
from evit_nas.errors import InputError
from evit_nas.files import folder
from evit_nas.report.html import write_report
from evit_nas.report.run_data import Winner, write_run
from evit_nas.search.feasibility import check_budget
from evit_nas.search.journal import Journal
from evit_nas.search.seeds import seed_rows
from evit_nas.search.study import Generation, StudyResult, open_storage, run_study
from evit_nas.space.space import load_space
from evit_nas.workflows.candidates import resolve_lowering
from evit_nas.workflows.latency import open_device
from evit_nas.workflows.progress import Progress, Silent
from evit_nas.workflows.results import BestNetwork, SearchResult
from evit_nas.workflows.run_folder import Setting, run_data
from evit_nas.workflows.scoring import PopulationScorer
from evit_nas.workflows.search_request import SearchRequest, new_request, request_of
from evit_nas.workflows.verify import device_and_phone
from evit_nas.workflows.winners import judge_winners

JOURNAL = "generations.jsonl"
REPORTS = "reports"


def search(
    budget_ms: float | None = None,
    *,
    device: str = "sm8450",
    space: str | Path = "efficientvit-seg",
    accuracy: str | Path | None = None,
    trials: int = 2000,
    seed: int = 0,
    storage: str | None = None,
    resume: Path | None = None,
    out: Path | None = None,
    tables: Path | None = None,
    merge: bool = False,
    lowering: str | None = None,
    threads: int = 1,
    progress: Progress | None = None,
) -> SearchResult:
    """Search `space` under `budget_ms`. `resume`: a run folder whose search goes on as it was asked for.

    `device`: `host`, a device that has a table, or the serial of an attached phone that has one. Winners are
    re-measured on it where it is at hand. Raises Infeasible where even the fastest member is over the budget.
    """
    started = time.monotonic()
    shown = progress or Silent()
    if resume is not None:
        return _go_on(resume, shown, started)
    named, phone = device_and_phone(device, tables)
    request = new_request(
        budget_ms=budget_ms,
        device=named,
        space=space,
        accuracy=accuracy,
        trials=trials,
        seed=seed,
        lowering=lowering,
        threads=threads,
        tables=tables,
        merge=merge,
        storage=storage,
    )
    setting = _open(request, phone)
    least = check_budget(setting.space, setting.scorer.score, request.budget_ms)
    if request.storage:
        open_storage(request.storage)  # a storage that cannot be opened leaves no run folder behind
    run = folder(out if out is not None else _fresh_folder(request))
    with Journal.create(run / JOURNAL, request.header(setting.model.table.hash)) as journal:
        study = _study(setting, journal, (), shown)
    return _finish(setting, study, run, least.latency_ms, shown, started)


def _go_on(run: Path, progress: Progress, started: float) -> SearchResult:
    """Continue the search of a run folder; a finished one is verified and drawn again."""
    journal, content = Journal.resume(run / JOURNAL)
    with journal:
        request = request_of(content.header, str(run))
        setting = _open(request)
        if content.header["table_hash"] != setting.model.table.hash:
            raise InputError(f"{run}: the table {setting.model.path} has changed since; start the search anew")
        least = check_budget(setting.space, setting.scorer.score, request.budget_ms)
        study = _study(setting, journal, content.generations, progress)
    return _finish(setting, study, run, least.latency_ms, progress, started)


def _open(request: SearchRequest, phone: str = "") -> Setting:
    whole = load_space(request.space)
    model = open_device(request.device, tables=request.tables_dir, threads=request.threads, merge=request.merge)
    estimator = open_source(request.accuracy, whole.spec.task)
    space = whole.restrict(estimator.evidence)
    lowering = resolve_lowering(request.lowering or None, default=model.table.conditions.lowering)
    return Setting(
        request=request,
        space=space,
        model=model,
        estimator=estimator,
        lowering=lowering,
        scorer=PopulationScorer(space, model.predictor, estimator, lowering),
        phone=phone,
    )


def _study(
    setting: Setting,
    journal: Journal,
    finished: tuple[Generation, ...],
    progress: Progress,
) -> StudyResult:
    request = setting.request
    progress.start(request.trials, "networks evaluated")
    progress.advance(sum(len(generation.rows) for generation in finished))

    def on_generation(generation: Generation) -> None:
        journal.append(generation)
        progress.advance(len(generation.rows))

    return run_study(
        setting.space,
        setting.scorer.score,
        budget_ms=request.budget_ms,
        trials=request.trials,
        seed=request.seed,
        seeds=seed_rows(setting.space, setting.scorer.score, request.budget_ms),
        storage=request.storage or None,
        finished=finished,
        on_generation=on_generation,
    )


def _finish(
    setting: Setting, study: StudyResult, run: Path, fastest_ms: float, progress: Progress, started: float
) -> SearchResult:
    """Winners, run folder, page."""
    folder(run / "best")
    seconds = time.monotonic() - started
    judged = judge_winners(setting, study, run, progress)
    data = run_data(
        setting,
        study,
        judged.winners,
        verification=judged.verification,
        run=run,
        fastest_ms=fastest_ms,
        seconds=seconds,
    )
    write_run(run, data)
    page, *_ = write_report(data, run)
    return SearchResult(
        run=run,
        feasible=True,
        best=tuple(
            _best(winner, run, setting.estimator.metric) for _, winner in judged.winners if not winner.missed_budget
        ),
        verified=judged.verified,
        verification=data.manifest.verification,
        evaluated=len(study.rows),
        seconds=time.monotonic() - started,
        page=page,
        notes=data.manifest.notes,
    )


def _best(winner: Winner, run: Path, metric: str) -> BestNetwork:
    return BestNetwork(
        arch=run / winner.arch_file,
        resolution=winner.resolution,
        metric=metric,
        value=winner.value,
        low=winner.low,
        high=winner.high,
        latency_ms=winner.latency_ms,
        latency_low_ms=winner.latency_low_ms,
        latency_high_ms=winner.latency_high_ms,
        macs=winner.macs,
        params=winner.params,
        verified=winner.verification,
        verified_ms=winner.verified_ms,
        verified_low_ms=winner.verified_low_ms,
        verified_high_ms=winner.verified_high_ms,
        verified_provenance=winner.verified_provenance,
        departures=winner.departures,
        miou=winner.value if metric == "miou" else None,
    )


def _fresh_folder(request: SearchRequest) -> Path:
    """./reports/<device>-<budget>-<space>, with a number behind it where that exists."""
    name = f"{request.device}-{request.budget_ms:g}ms-{Path(request.space).stem}"
    folders = [Path(REPORTS) / name, *(Path(REPORTS) / f"{name}-{number}" for number in range(2, 10_000))]
    return next(path for path in folders if not (path / JOURNAL).exists())
