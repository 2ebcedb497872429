"""From a finished study to its winners: described, written as files, and re-measured where the device is at hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from evit_nas.accuracy.estimator.base import AccuracyEstimate
from evit_nas.files import write_text
from evit_nas.latency.measurement import Provenance
from evit_nas.latency.predictor.base import LatencyPrediction
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
from evit_nas.workflows.verify import Bench, bench_of, verification

WINNERS = 5
SPARE = 5  # further candidates that may replace one that misses its budget when measured


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Winners, best first, those that missed the budget last. `verification` tells how they were verified, in words."""

    winners: tuple[tuple[Candidate, Winner], ...]
    verification: str

    @property
    def verified(self) -> bool:
        """Whether every winner was re-measured where its latency is predicted for, not on a stand-in."""
        kept = [winner for _, winner in self.winners if not winner.missed_budget]
        return bool(kept) and all(winner.verified_ms is not None and _counts(winner) for winner in kept)


def judge_winners(setting: Setting, study: StudyResult, run: Path, progress: Progress) -> Judged:
    """The best networks of `study`, each written to `run`/best.

    Where the device is at hand they are re-measured; one that misses the budget stands last, marked, and the next
    candidate takes its place.
    """
    kept: list[tuple[Candidate, Winner]] = []
    missed: list[tuple[Candidate, Winner]] = []
    with bench_of(setting, progress.note) as bench:
        if bench.ready:
            progress.start(WINNERS, "winners re-measured")
        for index in _in_turn(study.best(WINNERS + SPARE if bench.ready else WINNERS), study):
            if len(kept) == WINNERS:
                break
            candidate, winner = _judged(setting, study, index, bench, rank=len(kept) + len(missed) + 1)
            write_text(run / winner.arch_file, arch_to_yaml(candidate.arch, candidate.resolution))
            (missed if winner.missed_budget else kept).append((candidate, winner))
            if bench.ready:
                progress.advance(0 if winner.missed_budget else 1)
    winners = (*kept, *missed)
    return Judged(winners=winners, verification=verification(bench, [winner for _, winner in winners]))


def _judged(setting: Setting, study: StudyResult, index: int, bench: Bench, *, rank: int) -> tuple[Candidate, Winner]:
    (candidate,) = setting.space.decode(study.rows[index : index + 1])
    timed = bench.timed(model_bytes(candidate.arch, candidate.resolution, setting.lowering)) if bench.ready else None
    winner = _predicted(setting, study, index, candidate, rank=rank)
    if timed is None:
        return candidate, replace(winner, verification=f"not verified: {bench.reason}")
    return candidate, _verified(winner, *timed, budget_ms=study.budget_ms)


def _predicted(setting: Setting, study: StudyResult, index: int, candidate: Candidate, *, rank: int) -> Winner:
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
        verification="not verified",
        departures=_departures(estimate, prediction),
    )


def _in_turn(indices: Indices, study: StudyResult) -> list[int]:
    """Best lower bound first."""
    order = np.argsort(-study.scores.metric_low[indices], kind="stable")
    return [int(index) for index in indices[order]]


def _verified(winner: Winner, timing: Timing, provenance: Provenance, *, budget_ms: float) -> Winner:
    """`winner` as timed. What a stand-in takes decides nothing about a network for a real chip."""
    timed = replace(
        winner,
        verified_ms=timing.latency_ms,
        verified_low_ms=timing.low_ms,
        verified_high_ms=timing.high_ms,
        verified_provenance=provenance,
    )
    doubt = f"; doubtful: {timing.problem}" if timing.problem else ""
    if not _counts(timed):
        words = f"simulated {timing.latency_ms:.1f} ms on a stand-in, not verified{doubt}"
        return replace(timed, verification=words)
    missed = timing.latency_ms > budget_ms
    within = "misses" if missed else "within"
    words = f"{provenance} {timing.latency_ms:.1f} ms, {within} the budget{doubt}"
    return replace(timed, verification=words, missed_budget=missed)


def _counts(winner: Winner) -> bool:
    """Whether the device that timed it is of the world that its latency was predicted for: real, or simulated."""
    return winner.verified_provenance != "simulated" or winner.provenance == "simulated"


def _departures(estimate: AccuracyEstimate, prediction: LatencyPrediction) -> tuple[str, ...]:
    share = prediction.coverage.extrapolated
    latency = (f"{share:.0%} of its time rests on extrapolated kernels",) if share > 0.01 else ()
    return (*estimate.departures, *latency)
