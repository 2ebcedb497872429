"""From a finished study to its winners: described, written as files, and re-measured where the device is at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evit_nas.accuracy.estimator.base import AccuracyEstimate
from evit_nas.files import write_text
from evit_nas.latency.predictor.base import LatencyPrediction
from evit_nas.latency.profiler.host import measure_graph
from evit_nas.latency.profiler.protocol import Timing
from evit_nas.report.run_data import Winner
from evit_nas.search.pareto import Indices
from evit_nas.search.study import StudyResult
from evit_nas.space.arch import resolution_text
from evit_nas.space.dimension import Candidate
from evit_nas.space.yaml_io import arch_to_yaml
from evit_nas.workflows.latency import kernels_of
from evit_nas.workflows.progress import Progress
from evit_nas.workflows.run_folder import Setting
from evit_nas.workflows.schedule import model_bytes

WINNERS = 5
SPARE = 5  # further candidates that may replace one that misses its budget when measured


def judge_winners(
    setting: Setting, study: StudyResult, run: Path, progress: Progress
) -> tuple[tuple[Candidate, Winner], ...]:
    """The best networks of `study`, best first, each written to `run`/best.

    Where the device is at hand they are re-measured; one that misses the budget stands last, marked, and the next
    candidate takes its place.
    """
    kept: list[tuple[Candidate, Winner]] = []
    missed: list[tuple[Candidate, Winner]] = []
    indices = _in_turn(study.best(WINNERS + SPARE if setting.at_hand else WINNERS), study)
    if setting.at_hand:
        progress.start(WINNERS, "winners re-measured")
    for index in indices:
        if len(kept) == WINNERS:
            break
        (candidate,) = setting.space.decode(study.rows[index : index + 1])
        timing = _measured(setting, candidate, progress) if setting.at_hand else None
        winner = _winner(setting, study, index, candidate, timing, rank=len(kept) + len(missed) + 1)
        write_text(run / winner.arch_file, arch_to_yaml(candidate.arch, candidate.resolution))
        (missed if winner.missed_budget else kept).append((candidate, winner))
        if setting.at_hand:
            progress.advance(0 if winner.missed_budget else 1)
    return (*kept, *missed)


def _measured(setting: Setting, candidate: Candidate, progress: Progress) -> Timing:
    model = model_bytes(candidate.arch, candidate.resolution, setting.lowering)
    return measure_graph(model, threads=setting.request.threads, note=progress.note)


def _winner(
    setting: Setting, study: StudyResult, index: int, candidate: Candidate, timing: Timing | None, *, rank: int
) -> Winner:
    graph = kernels_of(candidate.arch, candidate.resolution, setting.lowering)
    prediction = setting.model.predictor.predict(graph)
    estimate = setting.estimator.estimate(candidate.arch, candidate.resolution)
    return Winner(
        rank=rank,
        arch_file=f"best/{rank:02d}.yaml",
        resolution=resolution_text(candidate.resolution),
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        latency_ms=prediction.latency_ms,
        latency_low_ms=prediction.low_ms,
        latency_high_ms=prediction.high_ms,
        macs=int(study.scores.macs[index]),
        params=int(study.scores.params[index]),
        measured=prediction.coverage.measured,
        interpolated=prediction.coverage.interpolated,
        extrapolated=prediction.coverage.extrapolated,
        provenance=prediction.provenance,
        verification=_words(timing, study.budget_ms, setting.model.device),
        verified_ms=timing.latency_ms if timing else None,
        verified_low_ms=timing.low_ms if timing else None,
        verified_high_ms=timing.high_ms if timing else None,
        missed_budget=timing is not None and timing.latency_ms > study.budget_ms,
        departures=_departures(estimate, prediction),
    )


def _in_turn(indices: Indices, study: StudyResult) -> list[int]:
    """Best lower bound first."""
    order = np.argsort(-study.scores.metric_low[indices], kind="stable")
    return [int(index) for index in indices[order]]


def _words(timing: Timing | None, budget_ms: float, device: str) -> str:
    if timing is None:
        return f"not verified: no {device} attached"
    doubt = f"; doubtful: {timing.problem}" if timing.problem else ""
    within = "within" if timing.latency_ms <= budget_ms else "misses"
    return f"measured {timing.latency_ms:.1f} ms, {within} the budget{doubt}"


def _departures(estimate: AccuracyEstimate, prediction: LatencyPrediction) -> tuple[str, ...]:
    share = prediction.coverage.extrapolated
    latency = (f"{share:.0%} of its time rests on extrapolated kernels",) if share > 0.01 else ()
    return (*estimate.departures, *latency)
