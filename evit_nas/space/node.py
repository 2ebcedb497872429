"""Typed reading of a parsed document. Every refusal is one InputError line: file, line, key, what, what is valid."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from evit_nas.errors import InputError, nearest
from evit_nas.space.arch import Resolution, parse_resolution
from evit_nas.space.document import Document, Place, Value, one_line

MAX_CHOICES = 64

T = TypeVar("T")
D = TypeVar("D")


class Fields(dict[str, "Node"]):
    """The values of a mapping by key."""

    def read(self, key: str, reader: Callable[[Node], T], default: D) -> T | D:
        """The value under `key` as `reader` gives it; `default` where the key is absent."""
        return reader(self[key]) if key in self else default


@dataclass(frozen=True, slots=True)
class Node:
    """A value of a document and where it stands."""

    document: Document
    value: Value
    place: Place = ()

    @property
    def key(self) -> str:
        """The place in words, `stages[2].blocks[0].kernel`."""
        words = [f"[{part}]" if isinstance(part, int) else f".{one_line(part, 40)}" for part in self.place]
        return "".join(words).removeprefix(".")

    def error(self, message: str) -> InputError:
        where = f"{self.document.source}:{self.document.lines.get(self.place, 1)}"
        return InputError(f"{where}: {self.key}: {message}" if self.place else f"{where}: {message}")

    def wrong(self, wanted: str) -> InputError:
        return self.error(f"{one_line(repr(self.value), 60)} is not {wanted}")

    def fields(self, required: Iterable[str], optional: Iterable[str] = ()) -> Fields:
        """The values of a mapping by key. Keys that are unknown or missing are errors."""
        required = tuple(required)
        known = (*required, *optional)
        if not isinstance(self.value, dict):
            raise self.wrong(f"a mapping with the keys {', '.join(known)}")
        for key in self.value:
            if key not in known:
                place = (*self.place, key)
                raise Node(self.document, None, place).error(f"unknown key; {nearest(key, known)}")
        missing = [key for key in required if key not in self.value]
        if missing:
            raise self.error(f"key {missing[0]!r} is missing")
        return Fields({key: Node(self.document, value, (*self.place, key)) for key, value in self.value.items()})

    def items(self, what: str = "a list") -> list[Node]:
        if not isinstance(self.value, list):
            raise self.wrong(what)
        return [Node(self.document, value, (*self.place, i)) for i, value in enumerate(self.value)]

    def integer(self, low: int, high: int, multiple: int = 1) -> int:
        """An integer from `low` to `high`, a multiple of `multiple`."""
        value = self.value
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high or value % multiple:
            step = f"a multiple of {multiple}" if multiple > 1 else "an integer"
            raise self.wrong(f"{step} from {low} to {high}")
        return value

    def number(self, low: float, high: float) -> float:
        """A number above `low`, at most `high`."""
        value = self.value
        if not isinstance(value, int | float) or isinstance(value, bool) or not low < value <= high:
            raise self.wrong(f"a number above {low:g}, at most {high:g}")
        return float(value)

    def boolean(self) -> bool:
        if not isinstance(self.value, bool):
            raise self.wrong("true or false")
        return self.value

    def text(self) -> str:
        if not isinstance(self.value, str) or not self.value.strip():
            raise self.wrong("a text")
        return one_line(self.value, 200)

    def one_of(self, valid: tuple[T, ...]) -> T:
        """One of the values in `valid`, of the same type (true is not 1)."""
        value = tuple(self.value) if isinstance(self.value, list) else self.value
        for option in valid:
            if type(option) is type(value) and option == value:
                return option
        if isinstance(value, str) and all(isinstance(option, str) for option in valid):
            raise self.error(f"{one_line(repr(value), 60)}: {nearest(value, map(str, valid))}")
        shown = ", ".join(str(list(v)) if isinstance(v, tuple) else "null" if v is None else str(v) for v in valid)
        raise self.wrong(f"one of {shown}")

    def resolution(self) -> Resolution:
        if not isinstance(self.value, str):
            raise self.wrong("a resolution, HEIGHTxWIDTH such as 512x1024")
        try:
            return parse_resolution(self.value)
        except InputError as error:
            raise self.error(str(error).removeprefix("resolution ")) from None

    def choices(self, read: Callable[[Node], T]) -> tuple[T, ...]:
        """The choices of a dimension: a list without repetition, or one value alone (then it is fixed)."""
        nodes = self.items() if isinstance(self.value, list) else [self]
        values = tuple(read(node) for node in nodes)
        if not values or len(values) > MAX_CHOICES:
            raise self.error(f"needs 1 to {MAX_CHOICES} choices, has {len(values)}")
        for i, value in enumerate(values):
            if value in values[:i]:
                raise nodes[i].error(f"{value!r} is given twice")
        return values

    def integers(self, low: int, high: int, multiple: int = 1) -> tuple[int, ...]:
        """Integer choices: a list, one value, or `{from, to, step}` with both ends."""
        if not isinstance(self.value, dict):
            return self.choices(lambda node: node.integer(low, high, multiple))
        fields = self.fields(("from", "to"), ("step",))
        first, last = (fields[end].integer(low, high, multiple) for end in ("from", "to"))
        step = fields.read("step", lambda node: node.integer(1, high), 1)
        if last < first or (last - first) % step:
            raise self.error(f"from {first} to {last} is no whole number of steps of {step}")
        if (last - first) // step >= MAX_CHOICES or step % multiple:
            raise self.error(f"needs at most {MAX_CHOICES} choices in steps of a multiple of {multiple}")
        return tuple(range(first, last + 1, step))
