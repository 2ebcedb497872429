"""Which members a step trains: the sandwich rule (Yu et al. 2020, BigNAS; Wang et al. 2021, AttentiveNAS)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from evit_nas.graph.cost import arch_macs
from evit_nas.space.arch import Resolution
from evit_nas.space.columns import Ints
from evit_nas.space.space import Candidate, SearchSpace


@dataclass(frozen=True)
class Sandwich:
    """Members of `space` by step; the same for the same seed, whatever was asked for before.

    One random member takes every choice by itself, the other one choice for all blocks (one kernel, one expand, ..):
    with choices by block alone nearly every member is a mean one, and the supernet never learns to tell the ends
    apart. Choices are equally likely, not members: those would nearly all have the greatest depth.

    The largest costs as much as many others. With `largest_every` above 1 it is trained in each such step alone; in
    the others a third random member, chosen by block, takes its place, and the one with most MACs teaches.
    """

    space: SearchSpace
    seed: int
    largest_every: int = 1

    def members(self, step: int) -> tuple[Candidate, ...]:
        """Four: who teaches (the largest), the smallest, then two random ones."""
        rng = np.random.default_rng((self.seed, step))
        drawn = self.space.decode(np.stack([self._by_block(rng), self._by_group(rng)]))
        largest, smallest = self.ends
        if step % self.largest_every == 0:
            return largest, smallest, *drawn
        drawn += self.space.decode(self._by_block(rng)[None])
        drawn.sort(key=lambda one: -arch_macs(one.arch, one.resolution))
        return drawn[0], smallest, *drawn[1:]

    @cached_property
    def ends(self) -> tuple[Candidate, Candidate]:
        return self.space.largest(), self.space.smallest()

    @cached_property
    def _sizes(self) -> Ints:
        return np.array([len(dimension.choices) for dimension in self.space.dimensions], dtype=np.int32)

    def _by_block(self, rng: np.random.Generator) -> Ints:
        return rng.integers(0, self._sizes).astype(np.int32)

    def _by_group(self, rng: np.random.Generator) -> Ints:
        """One relative place in the list of choices for all dimensions of a group; the head's are its own."""
        shares: dict[str, float] = {}
        for dimension in self.space.dimensions:
            shares.setdefault(_kind(dimension.name, dimension.group), float(rng.random()))
        places = [shares[_kind(dimension.name, dimension.group)] for dimension in self.space.dimensions]
        return (np.array(places) * self._sizes).astype(np.int32)


def _kind(name: str, group: str) -> str:
    return name if group == "head" else group


def at_most(space: SearchSpace, top: Resolution) -> SearchSpace:
    """The same space with the input sizes that are not above `top` in either side, and `top` itself as the largest."""
    below = [size for size in space.resolutions if size[0] <= top[0] and size[1] <= top[1] and size != top]
    dimensions = tuple(
        replace(item, choices=(*below, top), official=()) if item.group == "resolution" else item
        for item in space.dimensions
    )
    return SearchSpace(replace(space.spec, dimensions=dimensions))
