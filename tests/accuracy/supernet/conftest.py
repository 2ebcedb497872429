from __future__ import annotations

from dataclasses import replace

import pytest

from evit_nas.accuracy.supernet.sampling import at_most
from evit_nas.space.dimension import Dimension
from evit_nas.space.space import SearchSpace, load_space

WHOLE = ("scales", "heads_ratio", "resolution")


@pytest.fixture(scope="session")
def tiny() -> SearchSpace:
    """The first two choices of each dimension of the small space, so that a step takes no time; no named members."""
    spec = load_space("efficientvit-seg-small").spec
    dimensions = tuple(item if item.group in WHOLE else _first_two(item) for item in spec.dimensions)
    return at_most(SearchSpace(replace(spec, members=(), dimensions=dimensions)), (64, 96))


def _first_two(item: Dimension) -> Dimension:
    return replace(item, choices=item.choices[:2], official=tuple(index for index in item.official if index < 2))
