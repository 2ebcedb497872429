"""How an architecture is written as operators: whose graph, and which blocks run in horizontal strips.

A lowering is part of the conditions of a latency. `authors` is the graph of the official exporter, on which the
published phone times were measured; `ours` gives the same output with less work for the runtime.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Literal

from evit_nas.errors import InputError
from evit_nas.graph.blocks import Block, FusedMBConv, HeadOut, MBConv, layout
from evit_nas.space.arch import ArchConfig, Resolution

Style = Literal["ours", "authors"]


@dataclass(frozen=True, slots=True)
class Schedule:
    """Number of row strips by block path (`Placed.path`), sorted by path; a block that is not listed runs plain."""

    strips: tuple[tuple[str, int], ...] = ()

    @staticmethod
    def of(strips: Mapping[str, int]) -> Schedule:
        """The schedule of `strips`. Raises InputError where a count is below one."""
        for path, count in strips.items():
            if count < 1:
                raise InputError(f"schedule: {count} strips for {path!r}, must be 1 or more")
        return Schedule(tuple(sorted((path, count) for path, count in strips.items() if count > 1)))

    def count(self, path: str) -> int:
        """Strips of the block at `path`, 1 where it runs plain."""
        return dict(self.strips).get(path, 1)


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


def expanded_bytes(block: Block) -> int:
    """Bytes (float32) of the widest map inside `block`, the one that strips keep in the cache; 0: no strips."""
    match block:
        case MBConv():
            return 4 * block.height * block.width * block.cin * block.expand
        case FusedMBConv():
            return 4 * block.height * block.width * block.channels * block.expand
        case HeadOut(final_expand=int(factor)):
            return 4 * block.height * block.width * block.channels * factor
        case _:
            return 0


def working_bytes(block: Block) -> int:
    """Bytes (float32) of the widest map and of the map made from it: what the plain form moves; 0: no strips."""
    if isinstance(block, MBConv):
        return expanded_bytes(block) + expanded_bytes(block) // block.stride**2
    return 2 * expanded_bytes(block)


def strip_count(block: Block, strip_bytes: float, min_bytes: float) -> int:
    """Strips of about `strip_bytes` of the widest map where `working_bytes` exceeds `min_bytes`, else 1."""
    if working_bytes(block) <= min_bytes:
        return 1
    rows = block.height // block.stride if isinstance(block, MBConv) else getattr(block, "height", 1)
    return int(max(1, min(ceil(expanded_bytes(block) / strip_bytes), rows)))


def strip_schedule(
    arch: ArchConfig, resolution: Resolution, strip_bytes: float = 4.5e6, min_bytes: float = 12e6
) -> Schedule:
    """Candidate strips of every block by size. A device's measurements decide whether they are used.

    The defaults were measured on a core with 512 KB of L2 and 32 MB of L3: blocks above 12 MB gain 10 to 35 %, those
    below lose up to 8 % to halo rows and copies; between 3 and 6 MB a strip the time is flat, smaller ones are slower.
    """
    return Schedule.of(
        {item.path: strip_count(item.block, strip_bytes, min_bytes) for item in layout(arch, resolution)}
    )
