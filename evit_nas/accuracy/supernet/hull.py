"""The architectures that a supernet must hold so that it holds every member of a space, and what starts at zero."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

from evit_nas.accuracy.supernet.slices import attention_prefix
from evit_nas.errors import InputError
from evit_nas.space.arch import ArchConfig, BlockConfig, ClsHead
from evit_nas.space.dimension import Choice
from evit_nas.space.space import SearchSpace, shipped_spaces


def check_head_dim(space: SearchSpace) -> None:
    """Raise InputError for a space with more than one head dim: the packing of heads would not nest."""
    dims = _choices(space)["head_dim"]
    if len(dims) > 1:
        named = " and ".join(f"head_dim {dim}" for dim in dims)
        halves = [f"{space.name}-d{dim}" for dim in dims]
        known = all(name in shipped_spaces() for name in halves)
        use = f"use {' or '.join(halves)}" if known else "leave one of them in the space's head_dim"
        raise InputError(f"space {space.name}: a supernet holds one head dim, the space has {named}; {use}")


def hulls(space: SearchSpace) -> list[ArchConfig]:
    """The largest member with all branches at once, with each kind of head. They need not be members themselves."""
    choices = _choices(space)
    arch = space.largest().arch
    stages = [
        replace(stage, blocks=tuple(_all_branches(choices, n, i, b) for i, b in enumerate(stage.blocks, start=1)))
        for n, stage in enumerate(arch.stages, start=1)
    ]
    arch = replace(arch, stages=(stages[0], stages[1], stages[2], stages[3]))
    if isinstance(arch.head, ClsHead):
        pairs: Any = choices["head.widths"]
        return [replace(arch, head=replace(arch.head, widths=(max(a for a, _ in pairs), max(b for _, b in pairs))))]
    finals: Any = {None, arch.head.final_expand} if None in choices["head.final_expand"] else {arch.head.final_expand}
    blocks: Any = choices["head.block"]
    return [
        replace(arch, head=replace(arch.head, block=block, final_expand=final))
        for block, final in product(blocks, sorted(finals, key=str))
    ]


def _all_branches(choices: dict[str, tuple[Choice, ...]], stage: int, number: int, block: BlockConfig) -> BlockConfig:
    if block.msa is None:
        return block
    return replace(block, msa=replace(block.msa, scales=_scales(choices, stage, number)))


def _scales(choices: dict[str, tuple[Choice, ...]], stage: int, block: int) -> tuple[int, ...]:
    offered: Any = choices[f"stage{stage}.block{block}.scales"]
    return tuple(sorted({scale for scales in offered for scale in scales}))


def zero_at_start(space: SearchSpace) -> Iterator[str]:
    """Stored tensors that make an attention, or a branch of one, the identity or nothing while they are zero.

    They belong to what the official family has not where the space offers both ways, so that at the start a member
    with it equals the one without. Where no choice is official the first one counts as such.
    """
    choices = _choices(space)
    official = {d.name: d.choices[d.official[0] if d.official else 0] for d in space.dimensions}
    for name, chosen in official.items():
        if not name.endswith(".msa") or True not in choices[name]:
            continue
        stage, block = (int(part.lstrip("stageblock")) for part in name.split(".")[:2])
        prefix = attention_prefix(stage - 1, block)
        if chosen is False:
            yield f"{prefix}/proj/norm/weight"
        base: Any = official[f"stage{stage}.block{block}.scales"]
        yield from (f"{prefix}/proj/scale{scale}" for scale in _scales(choices, stage, block) if scale not in base)


def _choices(space: SearchSpace) -> dict[str, tuple[Choice, ...]]:
    return {dimension.name: dimension.choices for dimension in space.dimensions}
