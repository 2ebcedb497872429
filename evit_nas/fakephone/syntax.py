"""The shell's language, as far as tools that drive a phone use it.

Commands joined by `;`, newline, `&`, `&&`, `||` and `|`; quoting; `$NAME`, `${NAME}`, `$?`, `$$`, `$!`, `$(...)` and
backquotes; redirections; `( )`, `{ }`, `if`, `for`, `while`, `until`, `!`. Not functions, `case`, arithmetic and
here-documents: they are syntax errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


class ShellSyntaxError(Exception):
    """A line that the shell cannot read."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a word: literal text, a variable by name, or the output of commands."""

    kind: Literal["text", "variable", "commands"]
    text: str
    quoted: bool
    body: Sequence | None = None


Word = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Redirect:
    """`descriptor` to a file, or to another descriptor where `operator` is `>&`. `&>` is both 1 and 2."""

    descriptor: int
    operator: str
    target: Word


@dataclass(frozen=True, slots=True)
class Simple:
    """NAME=value ... command arguments."""

    assignments: tuple[tuple[str, Word], ...]
    words: tuple[Word, ...]
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """`{ ... }`, or `( ... )` where `subshell`: what it changes in the shell is forgotten at its end."""

    body: Sequence
    subshell: bool = False
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True, slots=True)
class If:
    branches: tuple[tuple[Sequence, Sequence], ...]
    otherwise: Sequence | None
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True, slots=True)
class Loop:
    """`while`, or `until` where `wanted` is False."""

    condition: Sequence
    body: Sequence
    wanted: bool
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True, slots=True)
class For:
    name: str
    words: tuple[Word, ...]
    body: Sequence
    redirects: tuple[Redirect, ...] = ()


Command = Simple | Group | If | Loop | For


@dataclass(frozen=True, slots=True)
class Pipeline:
    commands: tuple[Command, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class AndOr:
    """`first`, then each pipeline behind its `&&` or `||`."""

    first: Pipeline
    rest: tuple[tuple[str, Pipeline], ...] = ()
    background: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple[AndOr, ...]
