"""A finished study as the data of its run folder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from evit_nas.accuracy.estimator.base import AccuracyEstimator
from evit_nas.graph.lowering import Lowering
from evit_nas.report.manifest import Manifest
from evit_nas.report.run_data import Breakdown, Evaluated, Reference, RunData, Winner
from evit_nas.search.study import StudyResult
from evit_nas.space.dimension import Candidate
from evit_nas.space.space import SearchSpace
from evit_nas.workflows import references
from evit_nas.workflows.latency import DeviceModel, kernels_of
from evit_nas.workflows.scoring import PopulationScorer
from evit_nas.workflows.search_request import SearchRequest

BREAKDOWNS = 3  # winners whose time is shown by stage
PACKAGES = ("evit-nas", "torch", "optuna", "ai-edge-litert", "numpy", "scikit-learn")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a search scores and judges with. `phone`: serial of the phone that was asked for, "" where none was."""

    request: SearchRequest
    space: SearchSpace
    model: DeviceModel
    estimator: AccuracyEstimator
    lowering: Lowering
    scorer: PopulationScorer
    phone: str


def run_data(
    setting: Setting,
    study: StudyResult,
    winners: Sequence[tuple[Candidate, Winner]],
    *,
    verification: str,
    run: Path,
    fastest_ms: float,
    seconds: float,
) -> RunData:
    """Everything that the report draws."""
    kept = tuple(winner for _, winner in winners)
    return RunData(
        manifest=_manifest(setting, study, kept, verification, run=run, fastest_ms=fastest_ms, seconds=seconds),
        evaluated=_evaluated(setting, study),
        winners=kept,
        references=_references(setting),
        breakdowns=tuple(
            Breakdown(name=f"#{winner.rank}", parts=tuple(_stage_times(setting, candidate).items()))
            for candidate, winner in winners[:BREAKDOWNS]
        ),
    )


def _evaluated(setting: Setting, study: StudyResult) -> Evaluated:
    scores = study.scores
    return Evaluated(
        value=scores.metric_value,
        low=scores.metric_low,
        high=scores.metric_high,
        latency_ms=scores.latency_ms,
        latency_low_ms=scores.latency_low_ms,
        latency_high_ms=scores.latency_high_ms,
        extrapolated=setting.scorer.extrapolated(study.rows),
        macs=scores.macs,
        params=scores.params,
        dimensions=tuple(dimension.name for dimension in setting.space.dimensions),
        codes=study.rows,
    )


def _references(setting: Setting) -> tuple[Reference, ...]:
    source = setting.request.accuracy
    known = references.published(source, setting.model) if source.startswith("published") else ()
    return (*known, *references.estimated(source, setting.estimator, setting.space, setting.model, setting.lowering))


def _stage_times(setting: Setting, candidate: Candidate) -> dict[str, float]:
    """Predicted milliseconds by stage, scaled to sum to the prediction."""
    graph = kernels_of(candidate.arch, candidate.resolution, setting.lowering)
    times = setting.model.predictor.kernel_times_us(graph.kernels)
    scale = setting.model.predictor.predict(graph).latency_ms / max(float(times.sum()), 1e-9)
    parts: dict[str, float] = {}
    for kernel, time_us in zip(graph.kernels, times.tolist(), strict=True):
        parts[kernel.stage] = parts.get(kernel.stage, 0.0) + time_us * scale
    return parts


def _manifest(
    setting: Setting,
    study: StudyResult,
    winners: Sequence[Winner],
    verification: str,
    *,
    run: Path,
    fastest_ms: float,
    seconds: float,
) -> Manifest:
    request, model, estimator = setting.request, setting.model, setting.estimator
    return Manifest(
        command=request.command(run),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=seconds,
        versions={package: version(package) for package in PACKAGES},
        seed=request.seed,
        budget_ms=request.budget_ms,
        device=model.device,
        threads=request.threads,
        lowering=setting.lowering.style,
        space=setting.space.name,
        space_hash=hashlib.sha256(repr(setting.space.spec).encode()).hexdigest()[:16],
        table=str(model.path),
        table_hash=model.table.hash,
        latency_provenance=winners[0].provenance if winners else "",
        accuracy=estimator.label,
        metric=estimator.metric,
        trials=request.trials,
        evaluated=len(study.rows),
        fastest_ms=fastest_ms,
        verification=verification,
        latency_error=_latency_error(model),
        accuracy_error=f"leaving one network out: {estimator.loo_error:.2f} points on average",
        notes=(f"free dimensions: {', '.join(sorted(estimator.evidence))}; all others at their official values",),
    )


def _latency_error(model: DeviceModel) -> str:
    calibration = model.table.provenance.calibration
    if calibration is None:
        return f"90 % intervals, from {model.networks} whole networks timed beside the table"
    errors = calibration["errors_percent"]
    assert isinstance(errors, dict)
    return f"calibrated: leave-one-out error {errors['loo_mape']} % (largest {errors['loo_max']} %)"
