from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from evit_nas.space.arch import MsaConfig
from evit_nas.space.space import SearchSpace, load_space, shipped_spaces

Make = Callable[..., dict[str, Any]]
Parse = Callable[[dict[str, Any]], SearchSpace]


@pytest.mark.parametrize("name", shipped_spaces())
def test_extremes(name: str) -> None:
    space = load_space(name)
    small, large = space.smallest(), space.largest()
    for candidate in (small, large):
        assert space.contains(candidate.arch, candidate.resolution) is None
    assert small.resolution == min(space.resolutions)
    assert large.resolution == max(space.resolutions)
    assert all(block.msa is None for stage in small.arch.stages for block in stage.blocks)
    assert all(block.msa == MsaConfig(scales=(3, 5), heads_ratio=1.5) for block in large.arch.stages[1].blocks)
    for candidate in space.sample(0, 200):
        for low, own, high in zip(small.arch.stages, candidate.arch.stages, large.arch.stages, strict=True):
            assert low.width <= own.width <= high.width
            assert len(low.blocks) <= len(own.blocks) <= len(high.blocks)


def test_extremes_with_a_head_dim_that_needs_wider_stages(base: Make, space_of: Parse) -> None:
    space = space_of(base(head_dim=[16, 24], stage3={"width": [48, 64]}, stage4={"width": [48, 64, 128]}))
    assert (space.smallest().arch.head_dim, space.smallest().arch.stages[3].width) == (16, 48)
    assert (space.largest().arch.head_dim, space.largest().arch.stages[3].width) == (16, 128)
