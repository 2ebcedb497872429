from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from evit_nas.search.objective import Rows, Scores
from evit_nas.space.space import SearchSpace, parse_space

SPACE = """
schema: evit-nas/space-1
name: trial
task: seg
classes: 19
members: [b0, b1]
resolution: {short_side: [256, 384, 512, 640, 768, 896, 1024], aspect: "1:2"}
head_dim: [16]
stem: {width: [8, 16]}
stages:
  - {width: [16, 24, 32], depth: [1, 2], expand: [2, 4, 6], kernel: [3, 5]}
  - {width: [32, 48, 64], depth: [1, 2, 3], expand: [2, 4, 6], kernel: [3, 5]}
  - {width: [64, 96, 128], depth: [1, 2, 3], expand: [2, 4, 6], kernel: [3, 5], msa: [false, true]}
  - {width: [128, 192, 256], depth: [1, 2, 3, 4], expand: [2, 4, 6], kernel: [3, 5], msa: [false, true]}
head: {width: [32, 64], depth: [0, 1, 2, 3]}
"""


class Surrogate:
    """Scores from the indices alone, with interactions: cheap, smooth, and its fastest member is known."""

    def __init__(self, space: SearchSpace) -> None:
        rng = np.random.default_rng(3)
        self.cost = rng.uniform(0.2, 1.0, len(space.dimensions))
        self.gain = rng.uniform(0.2, 1.0, len(space.dimensions))
        self.calls = 0
        self.evaluated: list[bytes] = []

    def __call__(self, rows: Rows) -> Scores:
        self.calls += 1
        self.evaluated += [row.tobytes() for row in rows]
        latency_ms = 5.0 + rows @ self.cost + 0.05 * (rows @ self.cost) ** 1.5
        metric = 80 - 40 * np.exp(-(rows @ self.gain) / 12)
        return Scores(
            latency_ms=latency_ms,
            latency_low_ms=0.9 * latency_ms,
            latency_high_ms=1.1 * latency_ms,
            macs=np.rint(1e9 + 1e7 * (rows @ self.cost)).astype(np.int64),
            params=rows.sum(axis=1).astype(np.int64) + 1000,
            metric_value=metric + 1,
            metric_low=metric,
            metric_high=metric + 2,
        )


@pytest.fixture(scope="session")
def space() -> SearchSpace:
    return parse_space(SPACE, "trial.yaml")


@pytest.fixture
def surrogate(space: SearchSpace) -> Callable[[Rows], Scores]:
    return Surrogate(space)
