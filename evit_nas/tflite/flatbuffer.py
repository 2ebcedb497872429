"""Reading a flatbuffer that may be cut, changed or hostile: every offset is checked before it is followed.

Format: https://flatbuffers.dev/internals. Vectors may overlap in a forged file, so the sum of what is read is bounded
by a budget in proportion to the file (`Flatbuffer.spend`): no input takes long.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BUDGET_PER_BYTE = 8  # honest files spend less than 1: their vectors do not overlap
_LONGEST_STRING = 1 << 16


class BadFlatbuffer(Exception):
    """An offset or a length that the file does not hold."""


class Flatbuffer:
    """The bytes and what is left of the budget."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self._budget = _BUDGET_PER_BYTE * len(content)

    def root(self) -> Table:
        """The root table."""
        return Table(self, self.uint(0, 4))

    def uint(self, position: int, size: int) -> int:
        """Unsigned little-endian integer of `size` bytes."""
        return int.from_bytes(self.span(position, size), "little")

    def span(self, position: int, size: int) -> bytes:
        """`size` bytes from `position`. Raises BadFlatbuffer where the file does not hold them."""
        if position < 0 or size < 0 or position + size > len(self.content):
            raise BadFlatbuffer(f"it ends before byte {position + size}")
        return self.content[position : position + size]

    def spend(self, amount: int) -> None:
        """Count work. Raises BadFlatbuffer where a file of this size cannot honestly cause so much of it."""
        self._budget -= amount
        if self._budget < 0:
            raise BadFlatbuffer("its vectors overlap")


class Table:
    """A table: fields by their number in the schema, absent ones as their default."""

    __slots__ = ("_fields", "buffer", "position")

    def __init__(self, buffer: Flatbuffer, position: int) -> None:
        buffer.spend(4)
        self.buffer, self.position = buffer, position
        (back,) = struct.unpack("<i", buffer.span(position, 4))
        vtable = position - back
        length = buffer.uint(vtable, 2)
        self._fields = struct.unpack(f"<{max(length - 4, 0) // 2}H", buffer.span(vtable, length)[4 : length // 2 * 2])

    def place(self, number: int) -> int:
        """Position of the field in the file, 0 where it is absent."""
        offset = self._fields[number] if number < len(self._fields) else 0
        return self.position + offset if offset else 0

    def uint(self, number: int, size: int, default: int = 0) -> int:
        place = self.place(number)
        return self.buffer.uint(place, size) if place else default

    def target(self, number: int) -> int:
        """Position that an offset field points to, 0 where it is absent."""
        place = self.place(number)
        return place + self.buffer.uint(place, 4) if place else 0

    def vector(self, number: int, item_size: int) -> tuple[int, int]:
        """Position of the first item and the number of items; (0, 0) where the vector is absent."""
        start = self.target(number)
        if not start:
            return 0, 0
        count = self.buffer.uint(start, 4)
        if start + 4 + count * item_size > len(self.buffer.content):
            raise BadFlatbuffer(f"a vector of {count} items at byte {start} goes beyond its end")
        return start + 4, count

    def array(self, number: int, dtype: str) -> NDArray[Any]:
        """A vector of numbers, as a view of the file."""
        item = np.dtype(dtype)
        start, count = self.vector(number, item.itemsize)
        return np.frombuffer(self.buffer.content, item, count, start)

    def ints(self, number: int) -> tuple[int, ...]:
        """A vector of int32."""
        values = self.array(number, "<i4")
        self.buffer.spend(4 * len(values))
        return tuple(values.tolist())

    def text(self, number: int) -> str:
        """A string; undecodable bytes are replaced."""
        start, count = self.vector(number, 1)
        if count > _LONGEST_STRING:
            raise BadFlatbuffer(f"a name of {count} bytes")
        self.buffer.spend(count)
        return self.buffer.span(start, count).decode("utf-8", errors="replace")

    def table(self, number: int) -> Table | None:
        target = self.target(number)
        return Table(self.buffer, target) if target else None

    def tables(self, number: int) -> Iterator[Table]:
        """A vector of tables, read one at a time."""
        start, count = self.vector(number, 4)
        for i in range(count):
            place = start + 4 * i
            yield Table(self.buffer, place + self.buffer.uint(place, 4))
