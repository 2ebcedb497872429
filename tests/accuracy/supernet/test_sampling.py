from __future__ import annotations

from collections import Counter

from evit_nas.accuracy.supernet.sampling import Sandwich, at_most
from evit_nas.graph.cost import arch_macs
from evit_nas.space.space import load_space

SPACE = load_space("efficientvit-seg-small")


def test_a_step_has_both_ends_and_two_members_by_chance() -> None:
    largest, smallest, *others = Sandwich(SPACE, 0).members(5)
    assert largest == SPACE.largest()
    assert smallest == SPACE.smallest()
    assert len(others) == 2
    for candidate in others:
        assert SPACE.contains(candidate.arch, candidate.resolution) is None


def test_members_depend_on_seed_and_step_alone() -> None:
    assert Sandwich(SPACE, 1).members(7) == Sandwich(SPACE, 1).members(7)
    assert Sandwich(SPACE, 1).members(7) != Sandwich(SPACE, 2).members(7)
    assert Sandwich(SPACE, 1).members(7) != Sandwich(SPACE, 1).members(8)


def test_one_member_has_one_kernel_in_all_blocks_and_every_choice_comes() -> None:
    sandwich, kernels = Sandwich(SPACE, 0), Counter[int]()
    for step in range(60):
        tied = sandwich.members(step)[3].arch
        found = {block.mbconv.kernel for stage in tied.stages for block in stage.blocks}
        assert len(found) <= 1
        kernels.update(found)
    assert set(kernels) == {3, 5, 7}
    assert min(kernels.values()) >= 8


def test_the_recipes_resolution_bounds_those_of_the_members() -> None:
    bounded = at_most(SPACE, (128, 192))
    assert bounded.resolutions == ((96, 128), (128, 160), (128, 192))
    assert bounded.largest().resolution == (128, 192)
    assert at_most(SPACE, (64, 64)).resolutions == ((64, 64),)


def test_the_largest_may_be_left_to_some_steps_and_the_most_macs_teach_in_the_others() -> None:
    sandwich = Sandwich(SPACE, 0, largest_every=3)
    for step in range(9):
        teacher, smallest, *others = sandwich.members(step)
        assert smallest == SPACE.smallest()
        assert (teacher == SPACE.largest()) == (step % 3 == 0)
        macs = [arch_macs(one.arch, one.resolution) for one in (teacher, *others)]
        assert macs[0] == max(macs)
        assert len(others) == 2
