"""Which kernels members of a space can need, and the few blocks whose measurement puts all of them inside the hull.

The kernels of a space are finite but many. Every numeric axis of a kernel (pixels, channels, MACs) grows or stays when
a numeric choice grows (resolution, width, expansion), so the ends of all axes are found in blocks at the ends of the
numeric choices, in every combination with the discrete ones (kernel, activation, attention, upsampling, ...).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import product
from math import prod

import numpy as np

from evit_nas.graph.block_kernels import block_kernels
from evit_nas.graph.blocks import Block, layout
from evit_nas.graph.cost import block_macs
from evit_nas.graph.emit import emit_block
from evit_nas.graph.fuse import fuse
from evit_nas.graph.kernel import KernelSignature
from evit_nas.latency.predictor.coverage import Ends, Ranges
from evit_nas.latency.predictor.features import Axes, hull_axes
from evit_nas.space.dimension import Choice, Dimension, Slot
from evit_nas.space.space import SearchSpace

# rough costs of timing a block, for choosing among blocks that show the same; seconds
SECONDS_ALONE, RUNS, MACS_PER_S, BYTES_PER_S = 0.3, 4, 30e9, 3e9
FEW_SIZES = 8
_BLOCK = re.compile(r"block\d+")


def corner_blocks(space: SearchSpace) -> tuple[Block, ...]:
    """Every block that a member can have with its numeric choices at an end of their lists."""
    base = space.encode([space.largest()])[0]
    found: dict[Block, None] = {}
    for columns, slots in _distinct(space).items():
        corners = list(product(*_corner_choices(space.dimensions, columns)))
        rows = np.repeat(base[None], len(corners), axis=0)
        rows[:, list(columns)] = corners
        for member in space.decode(np.unique(space.canonical(rows), axis=0)):
            for placed in layout(member.arch, member.resolution):
                if any(slot.holds(placed.path) for slot in slots):
                    found.setdefault(placed.block)
    return tuple(found)


def needed_ranges(blocks: Iterable[Block]) -> Ranges:
    """The hull of the kernels that these blocks have inside a network."""
    return Ranges.of(axes for block in blocks for axes in _inside(block))


def extreme_blocks(space: SearchSpace, measured: Iterable[KernelSignature]) -> tuple[Block, ...]:
    """Blocks, cheapest first, that stretch the hull of the kernels `measured` over all kernels of members of `space`.

    Greedy: the block that adds most ends a second is next.
    """
    blocks = corner_blocks(space)
    needed = needed_ranges(blocks)
    missing = needed.ends_beyond(Ranges.of(hull_axes(signature) for signature in measured))
    useful = [block for block in blocks if _at_ends(_inside(block), needed) & missing]
    reached = {block: ends for block in useful if (ends := _at_ends(_alone(block), needed) & missing)}
    seconds = {block: _seconds(block) for block in reached}
    chosen: list[Block] = []
    while reached:
        best = max(reached, key=lambda block: len(reached[block]) / seconds[block])
        chosen.append(best)
        done = reached.pop(best)
        reached = {block: left for block, ends in reached.items() if (left := ends - done)}
    return tuple(sorted(chosen, key=seconds.__getitem__))


def _at_ends(kernels: Iterable[Axes], needed: Ranges) -> Ends:
    return frozenset().union(*(needed.ends_at(kernel) for kernel in kernels))


@lru_cache(maxsize=5000)
def _inside(block: Block) -> tuple[Axes, ...]:
    """Its kernels as they run inside a network."""
    return tuple(hull_axes(kernel.signature) for kernel in block_kernels(block))


def _alone(block: Block) -> tuple[Axes, ...]:
    return tuple(hull_axes(kernel.signature) for kernel in fuse(emit_block(block)).kernels)


def _seconds(block: Block) -> float:
    moved = sum(kernel.signature.activation_bytes for kernel in block_kernels(block))
    return SECONDS_ALONE + RUNS * (block_macs(block) / MACS_PER_S + moved / BYTES_PER_S)


def _distinct(space: SearchSpace) -> Mapping[tuple[int, ...], list[Slot]]:
    """Slots by their columns. The blocks of a stage have the same choices: the first one stands for all."""
    found: dict[tuple[int, ...], list[Slot]] = {}
    first: dict[tuple[tuple[str, tuple[Choice, ...]], ...], tuple[int, ...]] = {}
    for slot in space.slots():
        own = [space.dimensions[column] for column in slot.columns]
        alike = tuple((_BLOCK.sub("block", dimension.name), dimension.choices) for dimension in own)
        if first.setdefault(alike, slot.columns) == slot.columns:
            found.setdefault(slot.columns, []).append(slot)
    return found


def _corner_choices(dimensions: Sequence[Dimension], columns: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Indices of the choices to combine, for each of `columns`."""
    upsampled = any(dimensions[column].name == "upsample" for column in columns)
    for column in columns:
        dimension = dimensions[column]
        every = tuple(sorted(range(len(dimension.choices)), key=lambda i: _size(dimension.choices[i])))
        # short maps are lowered in another way when upsampled (bicubic), tiny ones also elsewhere: no end shows which
        whole = dimension.group == "resolution" and (upsampled or len(every) <= FEW_SIZES)
        yield every if whole or not _ordered(dimension) else (every[0], every[-1])


def _size(choice: Choice) -> float:
    """By which choices are ordered; equal for those that have no size."""
    if isinstance(choice, tuple):
        return float(prod(choice))
    return float(choice) if isinstance(choice, int | float) else 0.0


def _ordered(dimension: Dimension) -> bool:
    """Whether kernels between the ends of its choices lie between the kernels at the ends."""
    if dimension.group == "resolution":
        return True
    numbers = all(isinstance(choice, int | float) and not isinstance(choice, bool) for choice in dimension.choices)
    return numbers and not dimension.name.endswith("kernel")
