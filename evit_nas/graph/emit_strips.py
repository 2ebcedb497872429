"""Consecutive blocks in horizontal strips: a strip goes through all of them before the next one begins.

The maps inside of the blocks and those between them are never whole, so that each is still in the cache when it is
read. A block's strip holds the rows that the block after it has not had yet; rows that are needed once more (the halo
of a convolution) are taken from the strip before. Only the expanded map inside of an MBConv is made twice there. Every
value is computed as in the plain form, so the results are bit-equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from evit_nas.graph.builder import GraphBuilder

Rows = tuple[int, int]  # the first and the one after the last
Pads = tuple[int, int, int, int]  # zeros at the top, bottom, left and right
MOST_INPUTS = 4  # of a CONCATENATION that the delegate takes


@dataclass(frozen=True, slots=True)
class Sweep:
    """How a convolution with upstream's k // 2 zeros on every side passes over a map of `height` rows."""

    height: int
    kernel: int
    stride: int = 1

    @property
    def outputs(self) -> int:
        return self.height // self.stride

    def reads(self, rows: Rows) -> Rows:
        """Input rows under the output rows `rows`."""
        first, last = self._window(rows)
        return max(first, 0), min(last, self.height)

    def pads(self, rows: Rows, *, all_sides: bool) -> Pads:
        """Zeros around those. At stride 2 the last lines around an even map are never read: only with `all_sides`."""
        first, last = self._window(rows)
        low, high = self.reads(rows)
        side, unread = self.kernel // 2, int(self.stride == 2)
        kept = unread if all_sides else 0
        return low - first, last - high + kept, side, side - unread + kept

    def _window(self, rows: Rows) -> Rows:
        side = self.kernel // 2
        return rows[0] * self.stride - side, (rows[1] - 1) * self.stride - side + self.kernel


@dataclass(frozen=True, slots=True)
class Banded:
    """A block that can be made some rows at a time.

    `emit` gives the output rows `rows` from a map that holds the input rows `sweep.reads(rows)`; `place`: its stage
    and path.
    """

    sweep: Sweep
    place: tuple[str, str]
    emit: Callable[[str, Rows], str]


@dataclass(frozen=True, slots=True)
class _Strip:
    rows: Rows
    name: str


def in_strips(b: GraphBuilder, chain: Sequence[Banded], x: str, strips: int) -> str:
    """The output of the blocks `chain`, each fed by the one before and the first by `x`; one strip: the plain form."""
    whole = _Strip((0, chain[0].sweep.height), x)
    made: list[list[_Strip]] = [[whole], *([] for _ in chain)]

    def strip(stop: int) -> str:
        for block, end, before, own in zip(chain, _ends(chain, stop), made, made[1:], strict=False):
            rows = (own[-1].rows[1] if own else 0, end)
            if rows[0] < rows[1]:
                b.place(*block.place)
                own.append(_Strip(rows, block.emit(_rows(b, before, block.sweep.reads(rows)), rows)))
        return made[-1][-1].name

    return _joined(b, [partial(strip, stop) for _, stop in strip_edges(chain[-1].sweep.outputs, strips)])


def strip_edges(rows: int, strips: int) -> list[Rows]:
    """The rows of each strip, as even as can be."""
    edges = [rows * i // strips for i in range(strips + 1)]
    return [(start, stop) for start, stop in pairwise(edges) if start < stop]


def _ends(chain: Sequence[Banded], stop: int) -> Iterator[int]:
    """How far each block must have come for the last one to make its rows up to `stop`."""
    ends = [stop]
    for block in reversed(chain[1:]):
        ends.append(block.sweep.reads((0, ends[-1]))[1])
    return reversed(ends)


def _rows(b: GraphBuilder, strips: Sequence[_Strip], wanted: Rows) -> str:
    """The rows `wanted` of a map that is held in strips."""
    parts = []
    for strip in strips:
        low, high = max(wanted[0], strip.rows[0]), min(wanted[1], strip.rows[1])
        if low < high:
            parts.append(b.rows(strip.name, low - strip.rows[0], high - strip.rows[0]))
    return b.concat(parts, 1)


def _joined(b: GraphBuilder, makers: Sequence[Callable[[], str]]) -> str:
    """What `makers` make one below the other; joined as soon as the parts are there, while they are in the cache."""
    if len(makers) == 1:
        return makers[0]()
    size = 1
    while size * MOST_INPUTS < len(makers):
        size *= MOST_INPUTS
    return b.concat([_joined(b, makers[i : i + size]) for i in range(0, len(makers), size)], 1)
