from __future__ import annotations

import numpy as np

from evit_nas.search.seeds import seed_rows
from evit_nas.space.space import SearchSpace


def test_official_members_start_at_the_largest_input_within_the_budget(space: SearchSpace, surrogate) -> None:
    budget_ms = 40.0
    seeds = seed_rows(space, surrogate, budget_ms)
    assert len(np.unique(seeds, axis=0)) == len(seeds)
    candidates = space.decode(seeds)
    b0 = [c for c in candidates if c.arch.stages == space.member("b0").stages and c.arch.head.depth == 1]
    assert (1024, 2048) in [c.resolution for c in b0]
    sizes = space.resolutions
    rows = space.encode([type(b0[0])(space.member("b0"), size) for size in sizes])
    within = [s for s, ms in zip(sizes, surrogate(rows).latency_ms, strict=True) if ms <= budget_ms]
    assert not within or max(within) in [c.resolution for c in b0]
    assert space.encode([space.smallest()])[0].tolist() in seeds.tolist()
