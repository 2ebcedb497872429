"""YAML from outside, read with care: plain values, the line of each, and one-line errors for everything else.

Stricter than YAML on purpose: one document, no anchors, aliases or tags, no duplicate keys, at most `MAX_DEPTH` levels
and `MAX_CHARS` characters. Plain scalars follow the core schema of YAML 1.2, so `1:2` and `512x1024` are text and
`on` is no boolean.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from evit_nas.errors import InputError

MAX_CHARS = 65_536
MAX_DEPTH = 12
_MAX_DIGITS = 15

Scalar = None | bool | int | float | str
Value = Scalar | list[Any] | dict[str, Any]
Place = tuple[str | int, ...]  # keys and list positions from the root

_WORDS: Mapping[str, Scalar] = {"": None, "~": None, "null": None, "true": True, "false": False}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: its name for messages, its value and the line (from 1) of every value in it."""

    source: str
    root: Value
    lines: Mapping[Place, int]


def read_text(path: Path) -> str:
    """The text of a small UTF-8 file. Raises InputError where it cannot be read as one."""
    try:
        with path.open("rb") as file:
            raw = file.read(4 * MAX_CHARS + 1)
        if len(raw) > 4 * MAX_CHARS:
            raise InputError(f"{path}: longer than {MAX_CHARS} characters")
        return raw.decode("utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start})") from None


def parse_document(text: str, source: str) -> Document:
    """Parse one YAML document. Raises InputError (`source:line: what`) for anything that is not plain data."""
    if len(text) > MAX_CHARS:
        raise InputError(f"{source}: longer than {MAX_CHARS} characters")
    builder = _Builder(source, yaml.parse(text, Loader=yaml.SafeLoader))
    try:
        root = builder.document()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f"{source}:{line}: not valid YAML: {one_line(error.problem or error.context)}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{source}: not valid YAML: {one_line(error)}") from None
    return Document(source, root, builder.lines)


def one_line(thing: object, limit: int = 80) -> str:
    """`thing` as text on one line, cut to `limit` characters."""
    text = " ".join("".join(c if c.isprintable() else " " for c in str(thing)).split())
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


class _Builder:
    """Builds values from parser events: no YAML object is ever constructed, and depth is bounded on the way down."""

    def __init__(self, source: str, events: Iterator[yaml.Event]) -> None:
        self.source = source
        self.events = events
        self.lines: dict[Place, int] = {}

    def document(self) -> Value:
        next(self.events)  # start of the stream
        event = next(self.events)
        if not isinstance(event, yaml.DocumentStartEvent):
            raise InputError(f"{self.source}: empty file")
        root = self.value(next(self.events), ())
        next(self.events)  # end of the document
        event = next(self.events)
        if not isinstance(event, yaml.StreamEndEvent):
            raise self.error(event, "a second document; one file holds one")
        return root

    def value(self, event: yaml.Event, place: Place) -> Value:
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise self.error(event, "anchors and aliases are not accepted; write the value out")
        if getattr(event, "tag", None):
            raise self.error(event, f"tag {one_line(getattr(event, 'tag', ''), 40)!r} is not accepted")
        if len(place) > MAX_DEPTH:
            raise self.error(event, f"nested deeper than {MAX_DEPTH} levels")
        self.lines[place] = _line(event)
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event)
        return self.sequence(place) if isinstance(event, yaml.SequenceStartEvent) else self.mapping(place)

    def sequence(self, place: Place) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self.value(event, (*place, len(items))))
        return items

    def mapping(self, place: Place) -> dict[str, Any]:
        items: dict[str, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent) or event.anchor or event.tag:
                raise self.error(event, "a key must be a plain word")
            key = event.value
            if key in items:
                raise self.error(event, f"key {one_line(key, 40)!r} is given twice")
            items[key] = self.value(next(self.events), (*place, key))
        return items

    def scalar(self, event: yaml.ScalarEvent) -> Scalar:
        text = event.value
        if event.style:  # quoted or block text
            return str(text)
        if text.lower() in _WORDS:
            return _WORDS[text.lower()]
        if _INTEGER.fullmatch(text):
            if len(text) > _MAX_DIGITS:
                raise self.error(event, f"number {one_line(text, 30)} is too long")
            return int(text)
        return float(text) if len(text) <= 40 and _FLOAT.fullmatch(text) else str(text)

    def error(self, event: yaml.Event, message: str) -> InputError:
        return InputError(f"{self.source}:{_line(event)}: {message}")
