from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evit_nas.errors import InputError
from evit_nas.space.arch import MsaConfig, SegHead, named_arch
from evit_nas.space.space import Candidate, SearchSpace, load_space, shipped_spaces

MEMBERS = {
    "efficientvit-seg": ("b0", "b1", "b2", "b3"),
    "efficientvit-seg-d16": ("b0", "b1"),
    "efficientvit-seg-d32": ("b2", "b3"),
    "efficientvit-cls": ("b0-cls", "b1-cls", "b2-cls", "b3-cls"),
    "efficientvit-seg-small": ("b0", "b1"),
}
Make = Callable[..., dict[str, Any]]
Parse = Callable[[dict[str, Any]], SearchSpace]


def test_shipped_spaces() -> None:
    assert set(shipped_spaces()) == set(MEMBERS)
    for name, members in MEMBERS.items():
        space = load_space(name)
        assert (space.name, space.members) == (name, members)
    assert load_space() == load_space("efficientvit-seg")


@pytest.mark.parametrize("name", MEMBERS)
def test_official_members_go_through_the_encoding(name: str) -> None:
    space = load_space(name)
    for member in space.members:
        arch = space.member(member)
        for size in space.resolutions:
            assert space.contains(arch, size) is None
        candidate = Candidate(replace(arch, eps=1e-6), space.resolutions[-1])
        assert space.decode(space.encode([Candidate(arch, space.resolutions[-1])])) == [candidate]


def test_the_default_space_has_the_named_architectures_at_their_published_sizes() -> None:
    space = load_space()
    for name in space.members:
        for short in range(512, 1185, 32):
            assert space.contains(named_arch(name), (short, 2 * short)) is None
            assert space.contains(named_arch(name, upsample="bicubic"), (short, 2 * short)) is None


def test_a_member_takes_the_space_s_classes() -> None:
    arch = load_space("efficientvit-seg-small").member("b1")
    assert arch.head.classes == 7
    assert arch.stages == named_arch("b1").stages
    with pytest.raises(InputError, match="did you mean 'b1'"):
        load_space("efficientvit-seg-small").member("b10")


def _b1_with(**changes: Any) -> Any:
    arch = named_arch("b1")
    return replace(arch, **changes)


def test_reasons() -> None:
    space, size = load_space(), (512, 1024)
    b1 = named_arch("b1")
    stage3 = b1.stages[2]
    wide = replace(stage3, width=72)
    scaled = replace(stage3, blocks=(replace(stage3.blocks[0], msa=MsaConfig(scales=(7,))), *stage3.blocks[1:]))
    first = replace(b1.stages[0], blocks=(replace(b1.stages[0].blocks[0], msa=MsaConfig()),))
    deep = replace(stage3, blocks=stage3.blocks * 5)
    cases = [
        (b1, (500, 1000), "resolution is [500, 1000]; the space has [256, 512]"),
        (named_arch("b1-cls"), size, "it is a network for cls; the space is for seg"),
        (named_arch("b1-ade20k"), size, "it has 150 classes; the space has 19"),
        (_b1_with(stages=(*b1.stages[:2], wide, b1.stages[3])), size, "stage3.width is 72; the space has 64"),
        (_b1_with(stages=(*b1.stages[:2], deep, b1.stages[3])), size, "stage3.depth is 15; the space has 1, 2"),
        (_b1_with(stages=(*b1.stages[:2], scaled, b1.stages[3])), size, "stage3.block1.scales is [7]"),
        (_b1_with(stages=(first, *b1.stages[1:])), size, "stage1.block1.msa is true; the space has no such"),
        (_b1_with(head=SegHead(classes=19, width=64, stride=16)), size, "stride 16 does not go with inputs [4, 3, 2]"),
        (_b1_with(head_dim=24), size, "head_dim is 24; the space has 16, 32"),
        (
            _b1_with(head_dim=32, stages=(*b1.stages[:2], replace(stage3, width=80), b1.stages[3])),
            size,
            "the widths of stages 2, 3 are not multiples of head_dim 32",
        ),
    ]
    for arch, resolution, reason in cases:
        found = space.contains(arch, resolution)
        assert found is not None
        assert reason in found
        with pytest.raises(InputError, match="not a member of efficientvit-seg"):
            space.encode([Candidate(arch, resolution)])


def test_membership_ignores_what_does_not_count() -> None:
    """eps always; the head dim of a network without attention; the block of a head of depth 0."""
    space = load_space()
    b1 = named_arch("b1")
    plain = [replace(stage, blocks=tuple(replace(block, msa=None) for block in stage.blocks)) for stage in b1.stages]
    head = SegHead(classes=19, width=64, depth=0, kernel=7, expand=1)
    bare = replace(b1, stages=tuple(plain), head=head, head_dim=24)
    assert space.contains(bare, (512, 1024)) is None
    again = space.decode(space.encode([Candidate(bare, (512, 1024))]))[0].arch
    assert again == replace(bare, head=SegHead(classes=19, width=64, depth=0), head_dim=16, eps=1e-6)


def test_neighbours_of_a_tiny_space(base: Make, space_of: Parse) -> None:
    space = space_of(
        base(
            stage1={"depth": [1, 2], "expand": [2, 3, 4, 6]},
            stage3={"width": [48, 64, 80], "msa": [True, False], "scales": [[], [5]]},
            head={"stride": [8, 16], "inputs": [[4, 3, 2], [4, 3]]},
        )
    )
    start = next(c for c in space.sample(0, 200) if c.arch.stages[2].width == 64 and not c.arch.stages[0].blocks)
    start = space.decode(space.encode([start]))[0]
    found = space.neighbours(start)
    assert start not in found
    assert len(set(found)) == len(found)
    assert all(space.contains(c.arch, c.resolution) is None for c in found)
    assert {c.arch.stages[2].width for c in found} == {48, 64, 80}
    deeper = [c.arch.stages[0].blocks for c in found if c.arch.stages[0].blocks]
    assert [block.mbconv.expand for (block,) in deeper] == [4]  # a new block takes the official choices


@pytest.mark.parametrize("name", MEMBERS)
def test_neighbours_are_symmetric_where_nothing_appears(name: str) -> None:
    space = load_space(name)
    start = space.sample(4, 1)[0]
    row = space.encode([start])
    for other in space.neighbours(start)[::9]:
        changed = space.encode([other])
        if np.array_equal(space.active(row), space.active(changed)):
            assert start in space.neighbours(other)


@pytest.mark.parametrize("name", MEMBERS)
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


def test_unknown_names_and_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown search space 'efficientvit-sge': did you mean 'efficientvit-seg'"):
        load_space("efficientvit-sge")
    with pytest.raises(InputError, match=r"absent.yaml: cannot be read"):
        load_space(tmp_path / "absent.yaml")
    own = tmp_path / "own.yaml"
    own.write_text(shipped_spaces()["efficientvit-seg-small"].replace("name: efficientvit-seg-small\n", ""))
    assert load_space(own).name == "own"
    assert load_space(own).size() == load_space("efficientvit-seg-small").size()
