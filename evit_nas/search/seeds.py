"""Where a search starts: the official members, at their published input and at the largest one within the budget."""

from __future__ import annotations

import numpy as np

from evit_nas.search.objective import Rows, Score
from evit_nas.space.dimension import Candidate
from evit_nas.space.space import SearchSpace

OFFICIAL_INPUTS = ((1024, 2048), (512, 512), (224, 224))  # of today's published rows: Cityscapes, ADE20K, ImageNet


def seed_rows(space: SearchSpace, score: Score, budget_ms: float) -> Rows:
    """Rows (M, D), each once: of every official member the input that fits best and the published one; the smallest.

    The official network that meets the budget is thus always among the evaluated, so a search is never worse.
    """
    sizes = sorted(space.resolutions, key=lambda size: size[0] * size[1])
    rows = [space.encode([space.smallest()])]
    for name in space.members:
        members = space.encode([Candidate(space.member(name), size) for size in sizes])
        within = np.flatnonzero(score(members).latency_ms <= budget_ms)
        published = [i for i, size in enumerate(sizes) if size in OFFICIAL_INPUTS]
        rows.append(members[sorted({*within[-1:].tolist(), *published})])
    return np.unique(np.concatenate(rows), axis=0)
