"""What a program of the phone is: a function of its shell, its words and its pipes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evit_nas.fakephone.interpreter import Shell

HOME = "/"
PATH = "/system/bin"
Write = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Pipes:
    """Where a command reads and writes; `read` gives all of its input."""

    read: Callable[[], bytes]
    out: Write
    err: Write

    def say(self, text: str) -> None:
        self.out(text.encode())

    def complain(self, text: str) -> None:
        self.err(f"{text}\n".encode())


Program = Callable[["Shell", list[str], Pipes], int]


class ExitShell(Exception):
    """`exit CODE`."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def appender(target: bytearray) -> Write:
    """Writes go to the end of `target`."""

    def write(data: bytes) -> None:
        target.extend(data)

    return write


def reader(content: bytes) -> Callable[[], bytes]:
    """Input that is known already."""
    return lambda: content
