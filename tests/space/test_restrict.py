from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from evit_nas.errors import InputError
from evit_nas.space.dimension import GROUPS
from evit_nas.space.space import SearchSpace, load_space

NAMES = ["efficientvit-seg", "efficientvit-cls", "efficientvit-seg-small"]
PUBLISHED = frozenset({"width", "depth", "resolution", "head"})


@pytest.mark.parametrize("name", NAMES)
def test_without_evidence_members_differ_only_as_the_family_does(name: str) -> None:
    space = load_space(name).restrict(frozenset())
    for candidate in space.sample(0, 50):
        arch = candidate.arch
        for number, stage in enumerate(arch.stages, start=1):
            assert (stage.activation, stage.down.expand, stage.down.kernel) == ("hswish", 4, 3)
            for block in stage.blocks:
                assert (block.mbconv.expand, block.mbconv.kernel) == (4, 3)
                assert (block.msa is not None) == (number >= 3)
                assert block.msa is None or (block.msa.scales, block.msa.heads_ratio) == ((5,), 1.0)
        assert arch.head.activation == "hswish"
        assert arch.upsample == "bilinear"


@pytest.mark.parametrize("name", NAMES)
def test_published_evidence_frees_its_dimensions_only(name: str) -> None:
    whole, part = load_space(name), load_space(name).restrict(PUBLISHED)
    assert [item.name for item in part.dimensions] == [item.name for item in whole.dimensions]
    for before, after in zip(whole.dimensions, part.dimensions, strict=True):
        if before.group in PUBLISHED:
            assert after == before
        elif before.group != "head_dim":  # the family has two of them
            assert len(after.choices) == 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("evidence", [frozenset(), PUBLISHED, frozenset({"msa", "scales"}), frozenset(GROUPS)])
def test_a_restriction_is_a_subspace_with_the_official_members(name: str, evidence: frozenset[str]) -> None:
    whole, part = load_space(name), load_space(name).restrict(evidence)
    assert part.size() <= whole.size()
    assert (part.size() == whole.size()) == (evidence == frozenset(GROUPS))
    for candidate in part.sample(2, 50):
        assert whole.contains(candidate.arch, candidate.resolution) is None
    assert part.members == whole.members
    for member in part.members:
        assert part.contains(part.member(member), part.resolutions[0]) is None


def test_head_dims_that_suit_no_official_width_go(
    base: Callable[..., dict[str, Any]], space_of: Callable[[dict[str, Any]], SearchSpace]
) -> None:
    document = base(
        members=["b0"],
        classes=19,
        head_dim=[16, 48],
        stage1={"depth": [2]},
        stage2={"depth": [2]},
        stage3={"depth": [2], "width": [48, 64]},
        stage4={"depth": [2], "width": [128, 144]},
    )
    part = space_of(document).restrict(frozenset({"head_dim"}))
    assert next(item for item in part.dimensions if item.name == "head_dim").choices == (16,)
    assert part.size() > 0


def test_no_official_value_is_an_error(
    base: Callable[..., dict[str, Any]], space_of: Callable[[dict[str, Any]], SearchSpace]
) -> None:
    space = space_of(base(stage3={"expand": [2, 3]}))
    everything = frozenset(GROUPS)
    assert space.restrict(everything).size() == space.size()
    with pytest.raises(InputError, match=r"stage3.down.expand has no official value among its choices \(2, 3\)"):
        space.restrict(everything - {"expand"})


def test_unknown_group() -> None:
    with pytest.raises(InputError, match="did you mean 'width'"):
        load_space().restrict(frozenset({"widths"}))
