"""How an architecture is written as operators: whose graph, and which blocks run in horizontal strips together.

A lowering is part of the conditions of a latency. `authors` is the graph of the official exporter, on which the
published phone times were measured; `ours` gives the same output with less work for the runtime.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

from evit_nas.errors import InputError
from evit_nas.graph.blocks import (
    Block,
    ClsOut,
    DSConv,
    FusedMBConv,
    HeadInput,
    HeadOut,
    MBConv,
    Placed,
    StemConv,
    layout,
)
from evit_nas.space.arch import ArchConfig, Resolution

Style = Literal["ours", "authors"]
LEAST_ROWS = 4  # of a strip where it leaves a chain: below that most of a 3x3's work is on halo rows


@dataclass(frozen=True, slots=True)
class Group:
    """Consecutive blocks by path (`Placed.path`) that run together in `strips` strips of rows; one block is one too."""

    paths: tuple[str, ...]
    strips: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """What runs in row strips, sorted by path; a block that is in no group runs plain."""

    groups: tuple[Group, ...] = ()

    @staticmethod
    def of(groups: Iterable[Group]) -> Schedule:
        """The schedule of `groups`. Raises InputError: a path twice, or a count below one."""
        seen: set[str] = set()
        listed = tuple(groups)
        for group in listed:
            if group.strips < 1:
                raise InputError(f"schedule: {group.strips} strips for {list(group.paths)}, must be 1 or more")
            if twice := seen.intersection(group.paths):
                raise InputError(f"schedule: {min(twice)!r} is in two groups")
            seen.update(group.paths)
        return Schedule(tuple(sorted((g for g in listed if g.strips > 1), key=lambda group: group.paths)))

    @property
    def blocks(self) -> int:
        """How many blocks run in strips."""
        return sum(len(group.paths) for group in self.groups)


PLAIN = Schedule()


@dataclass(frozen=True, kw_only=True, slots=True)
class Lowering:
    """Whose operators (`ours` or `authors`) and, for ours only, the schedule of row strips."""

    style: Style = "ours"
    schedule: Schedule = PLAIN

    def __post_init__(self) -> None:
        if self.style == "authors" and self.schedule != PLAIN:
            raise InputError("the authors' lowering has no row strips: use the plain schedule")


OURS = Lowering()
AUTHORS = Lowering(style="authors")


def runs(placed: Sequence[Placed], schedule: Schedule) -> Iterator[tuple[int, int, int]]:
    """First block, last plus one and number of strips of what is emitted together, in order.

    Raises InputError for a group whose blocks are not here, not consecutive, or read by others than the next.
    """
    groups = {group.paths[0]: group for group in schedule.groups}
    start = 0
    while start < len(placed):
        group = groups.pop(placed[start].path, None)
        stop = start + (len(group.paths) if group else 1)
        items = placed[start:stop]
        if group and (tuple(item.path for item in items) != group.paths or not _is_chain(placed, start, stop)):
            raise InputError(f"schedule: {list(group.paths)} are no consecutive blocks of this network")
        yield start, stop, group.strips if group else 1
        start = stop
    if groups:
        raise InputError(f"schedule: this network has no {min(groups)!r}, or in the middle of another group")


def _is_chain(placed: Sequence[Placed], start: int, stop: int) -> bool:
    """Whether each of these blocks but the last is read by the next one alone, which reads nothing else."""
    return all(
        [(reader, item.inputs) for reader, item in enumerate(placed) if index in item.inputs] == [(index + 1, (index,))]
        for index in range(start, stop - 1)
    )


def widest_bytes(block: Block) -> int:
    """Bytes (float32) of the widest map that `block` makes, the one that strips keep in the cache; 0: no strips."""
    match block:
        case StemConv():
            return 4 * (block.height // 2) * (block.width // 2) * block.cout
        case DSConv():
            return 4 * block.height * block.width * block.channels
        case MBConv():
            return 4 * block.height * block.width * block.cin * block.expand
        case FusedMBConv():
            return 4 * block.height * block.width * block.channels * block.expand
        case HeadOut(final_expand=int(factor)):
            return 4 * block.height * block.width * block.channels * factor
        case _:
            return 0


def working_bytes(block: Block) -> int:
    """Bytes (float32) of the widest map and of the map beside it: what the plain form moves; 0: no strips."""
    match block:
        case StemConv():
            return widest_bytes(block) + 4 * block.height * block.width * 3
        case MBConv():
            return widest_bytes(block) + widest_bytes(block) // block.stride**2
        case _:
            return 2 * widest_bytes(block)


def chains(arch: ArchConfig, resolution: Resolution, min_bytes: float) -> tuple[tuple[Placed, ...], ...]:
    """The longest runs of consecutive blocks that each move more than `min_bytes` (`working_bytes`)."""
    placed = layout(arch, resolution)
    found: list[list[Placed]] = []
    for index, item in enumerate(placed):
        if working_bytes(item.block) <= min_bytes:
            continue
        if found and found[-1][-1] is placed[index - 1] and _is_chain(placed, index - 1, index + 1):
            found[-1].append(item)
        else:
            found.append([item])
    return tuple(map(tuple, found))


def strip_count(chain: Sequence[Placed], strip_bytes: float) -> int:
    """Strips of about `strip_bytes` of the widest map of `chain`, none with fewer than LEAST_ROWS rows at its end."""
    widest = max(widest_bytes(item.block) for item in chain)
    return max(1, min(ceil(widest / strip_bytes), _output_rows(chain[-1].block) // LEAST_ROWS))


def _output_rows(block: Block) -> int:
    match block:
        case StemConv():
            return block.height // 2
        case MBConv():
            return block.height // block.stride
        case ClsOut():
            return 1
        case HeadInput():
            return block.height * block.factor
        case _:
            return block.height


def strip_schedule(
    arch: ArchConfig, resolution: Resolution, strip_bytes: float = 2.25e6, min_bytes: float = 12e6
) -> Schedule:
    """Strips of every chain of large blocks, by size. A device's measurements decide whether they are used.

    The defaults were measured on a core with 512 KB of L2 and 32 MB of L3: blocks above 12 MB gain 10 to 35 %, those
    below lose up to 8 % to halo rows and copies; between 1 and 4 MB a strip the time of a chain is flat.
    """
    return Schedule.of(
        Group(tuple(item.path for item in chain), strip_count(chain, strip_bytes))
        for chain in chains(arch, resolution, min_bytes)
    )
