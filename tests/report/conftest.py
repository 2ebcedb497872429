"""A made-up run: numbers of the right size, by a fixed seed, for looking at figures and pages."""

from __future__ import annotations

import numpy as np
import pytest

from evit_nas.report.manifest import Manifest
from evit_nas.report.run_data import Breakdown, Evaluated, Reference, RunData, Winner

BUDGET_MS = 200.0


def make_manifest(**changes: object) -> Manifest:
    fields: dict[str, object] = {
        "command": "evit-nas search --budget 200ms --device sm8450",
        "created_at": "2026-11-24T12:00:00+00:00",
        "seconds": 21.4,
        "versions": {"evit-nas": "0.1.0", "optuna": "5.0.0"},
        "seed": 0,
        "budget_ms": BUDGET_MS,
        "device": "sm8450",
        "threads": 1,
        "lowering": "authors",
        "space": "efficientvit-seg",
        "space_hash": "5f0c",
        "table": "latency_tables/sm8450/litert-xnnpack-any-t1-fp32.csv",
        "table_hash": "9a1b",
        "latency_provenance": "calibrated",
        "accuracy": "estimate (published anchors)",
        "metric": "miou",
        "trials": 2000,
        "evaluated": 800,
        "fastest_ms": 9.3,
        "verification": "not verified: sm8450: no phone of this chip is attached; connect one",
        "latency_error": "leave one network out, 16 published times: 2.1 %",
        "accuracy_error": "leave one network out: 0.6 points",
    }
    return Manifest(**(fields | changes))  # type: ignore[arg-type]


def make_evaluated(count: int = 800) -> Evaluated:
    rng = np.random.default_rng(7)
    macs = 10 ** rng.uniform(8.2, 10.6, count)
    latency = 52 * (macs / 1e9) ** 0.97 * rng.lognormal(0, 0.12, count)
    value = 82.5 - 20 * np.exp(-0.55 * (np.log10(macs) - 7.2)) - rng.gamma(2.0, 1.4, count)
    half = 0.9 + rng.uniform(0, 0.6, count)
    return Evaluated(
        value=value,
        low=value - half,
        high=value + half,
        latency_ms=latency,
        latency_low_ms=latency * 0.94,
        latency_high_ms=latency * 1.07,
        extrapolated=rng.uniform(0, 0.2, count),
        macs=macs.astype(np.int64),
        params=(macs / 4e3).astype(np.int64),
        dimensions=("stem.width", "stage1.width"),
        codes=rng.integers(0, 5, (count, 2)).astype(np.int32),
    )


def make_winners(evaluated: Evaluated, count: int = 8) -> tuple[Winner, ...]:
    inside = np.flatnonzero(evaluated.latency_ms <= BUDGET_MS)
    best = inside[np.argsort(-evaluated.low[inside])][:count]
    return tuple(
        Winner(
            rank=rank,
            arch_file=f"networks/{rank:02d}.yaml",
            resolution="960x1920",
            value=float(evaluated.value[i]),
            low=float(evaluated.low[i]),
            high=float(evaluated.high[i]),
            latency_ms=float(evaluated.latency_ms[i]),
            latency_low_ms=float(evaluated.latency_low_ms[i]),
            latency_high_ms=float(evaluated.latency_high_ms[i]),
            macs=int(evaluated.macs[i]),
            params=int(evaluated.params[i]),
            measured=0.7,
            interpolated=0.25,
            extrapolated=0.05,
            provenance="calibrated",
            verification="not verified: no phone of this chip is attached",
            departures=("stage 3 is 80 wide, the anchors 64 and 128", "head depth 2") if rank % 2 else (),
        )
        for rank, i in enumerate(best, start=1)
    )


def make_references() -> tuple[Reference, ...]:
    rows = (
        ("b0", "960x1920", 3.9, 75.5, 200.0),
        ("b1", "896x1792", 19.0, 80.1, 820.0),
        ("b2", "1024x2048", 74.0, 82.1, 3100.0),
    )
    published = [
        Reference(kind="published", name=n, resolution=r, macs=int(g * 1e9), value=v, latency_ms=ms)
        for n, r, g, v, ms in rows
    ]
    estimated = [
        Reference(kind="estimated", name=n, resolution=r, macs=int(g * 1e9), value=v - 0.6, latency_ms=ms * 1.03)
        for n, r, g, v, ms in rows
    ]
    b3 = Reference(kind="published", name="b3", resolution="1184x2368", macs=239 * 10**9, value=83.2, latency_ms=None)
    return (*published, *estimated, b3)


@pytest.fixture
def run() -> RunData:
    evaluated = make_evaluated()
    parts = (("stem", 22.0), ("stage1", 41.0), ("stage2", 33.0), ("stage3", 38.0), ("stage4", 21.0), ("head", 40.0))
    return RunData(
        manifest=make_manifest(),
        evaluated=evaluated,
        winners=make_winners(evaluated),
        references=make_references(),
        breakdowns=tuple(
            Breakdown(name=f"{n}", parts=tuple((s, ms * (1 - 0.03 * n)) for s, ms in parts)) for n in range(1, 6)
        ),
    )
