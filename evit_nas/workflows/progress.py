"""How long work tells what it is doing; the command line draws it, the Python API may ignore it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """One piece of long work at a time: `start`, then `advance` until `total` is reached."""

    def start(self, total: float, what: str) -> None: ...

    def advance(self, amount: float = 1.0) -> None: ...

    def note(self, text: str) -> None: ...


class Silent:
    """The default: says nothing."""

    def start(self, total: float, what: str) -> None:
        pass

    def advance(self, amount: float = 1.0) -> None:
        pass

    def note(self, text: str) -> None:
        pass
