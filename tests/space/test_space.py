from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evit_nas.errors import InputError
from evit_nas.space.arch import named_arch
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


def test_unknown_names_and_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown search space 'efficientvit-sge': did you mean 'efficientvit-seg'"):
        load_space("efficientvit-sge")
    with pytest.raises(InputError, match=r"absent.yaml: cannot be read"):
        load_space(tmp_path / "absent.yaml")
    own = tmp_path / "own.yaml"
    own.write_text(shipped_spaces()["efficientvit-seg-small"].replace("name: efficientvit-seg-small\n", ""))
    assert load_space(own).name == "own"
    assert load_space(own).size() == load_space("efficientvit-seg-small").size()
