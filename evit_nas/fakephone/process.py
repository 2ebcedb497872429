"""What runs on the phone: a command with its cores, its limit and its end."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, field

_pids = itertools.count(4242)


class Ended(Exception):
    """The process is over before its work is; `code` is what its parent sees."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(slots=True, eq=False)
class Process:
    """One process. `mask`: affinity, bit n for cpu n. `deadline_s`: phone time at which `timeout` ends it."""

    name: str
    mask: int
    parent: Process | None = None
    deadline_s: float = float("inf")
    killed: threading.Event = field(default_factory=threading.Event)
    signal: int = 1
    pid: int = field(default_factory=lambda: next(_pids))

    def kill(self, signal: int) -> None:
        self.signal = signal
        self.killed.set()

    def check(self, now_s: float) -> None:
        """Raises Ended where it has been killed or its time is over."""
        if self.killed.is_set():
            raise Ended(128 + self.signal)
        if now_s >= self.deadline_s:
            raise Ended(124)
        if self.parent is not None:
            self.parent.check(now_s)

    def limit_s(self) -> float:
        """The earliest deadline of the process and those that started it."""
        return min(self.deadline_s, float("inf") if self.parent is None else self.parent.limit_s())
