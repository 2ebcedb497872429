"""Plans spread members over the size of networks, whatever part of them there is time for."""

from __future__ import annotations

import numpy as np
import pytest

from evit_nas.graph.cost import arch_macs
from evit_nas.graph.emit import emit
from evit_nas.graph.fuse import fuse
from evit_nas.latency.profiler.plan import (
    QUICK,
    member_signatures,
    plan_members,
    stratified_members,
)
from evit_nas.space.space import SearchSpace, load_space


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return load_space("efficientvit-seg")


def log_macs(space: SearchSpace, members: object) -> np.ndarray:
    return np.log([arch_macs(member.arch, member.resolution) for member in members])  # type: ignore[attr-defined]


def test_members_are_distinct_members_and_the_seed_decides(space: SearchSpace) -> None:
    members = stratified_members(space, seed=3, count=30, macs=(1e8, 1e10))
    assert len(set(members)) == 30
    assert all(space.contains(member.arch, member.resolution) is None for member in members)
    assert members == stratified_members(space, seed=3, count=30, macs=(1e8, 1e10))
    assert members != stratified_members(space, seed=4, count=30, macs=(1e8, 1e10))


def test_every_prefix_is_spread_over_log_macs(space: SearchSpace) -> None:
    members = stratified_members(space, seed=0, count=40, macs=(1e8, 1e10))
    for count in (10, 20, 40):
        strata = np.floor((log_macs(space, members[:count]) - np.log(1e8)) / np.log(100) * 10)
        assert set(strata) == set(range(10))
        assert np.bincount(strata.astype(int)).max() == count // 10


def test_the_quick_plan_reaches_the_small_end_and_stays_below_its_limit(space: SearchSpace) -> None:
    sizes = np.exp(log_macs(space, plan_members(space, QUICK, seed=0)))
    smallest = space.smallest()
    assert sizes.max() <= QUICK.max_macs
    assert sizes.min() < 1.6 * arch_macs(smallest.arch, smallest.resolution)


def test_a_tiny_space_gives_what_it_holds() -> None:
    space = load_space("efficientvit-seg-small")
    members = stratified_members(space, seed=0, count=20, macs=(1.0, 2.0))
    assert members == ()


def test_signatures_of_a_member_are_those_of_its_network(space: SearchSpace) -> None:
    member = space.sample(0, 1)[0]
    network = {kernel.signature for kernel in fuse(emit(member.arch, member.resolution)).kernels}
    assert set(member_signatures(member)) == network
