"""Progress of long work on stderr: a bar with the time left in a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as RichBar
    from rich.progress import TaskID

    from evit_nas.workflows.progress import Progress

_LINE_SECONDS = 10.0  # least time between two plain lines


@contextmanager
def progress() -> Iterator[Progress]:
    """The progress that a command hands to its workflow."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichBar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with RichBar(*columns, console=Console(stderr=True)) as bar:
        yield Bar(bar)


class Bar:
    """A rich progress bar."""

    def __init__(self, bar: RichBar) -> None:
        self._bar = bar
        self._task: TaskID | None = None

    def start(self, total: float, what: str) -> None:
        if self._task is not None:
            self._bar.update(self._task, visible=False)
        self._task = self._bar.add_task(what, total=total)

    def advance(self, amount: float = 1.0) -> None:
        if self._task is not None:
            self._bar.advance(self._task, amount)

    def note(self, text: str) -> None:
        self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)


class Lines:
    """Plain lines: at the start, every ten seconds with the time left, and at the end."""

    def __init__(self) -> None:
        self._what = ""
        self._total = self._done = 0.0
        self._began = self._said = 0.0

    def start(self, total: float, what: str) -> None:
        self._what, self._total, self._done = what, total, 0.0
        self._began = self._said = time.monotonic()
        self.note(f"{what}: {total:g} to do")

    def advance(self, amount: float = 1.0) -> None:
        now = time.monotonic()
        finished = self._done < self._total <= self._done + amount
        self._done += amount
        if finished or now - self._said >= _LINE_SECONDS:
            self._said = now
            self.note(f"{self._what}: {self._done:g}/{self._total:g}{self._left(now)}")

    def note(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def _left(self, now: float) -> str:
        remaining = self._total - self._done
        if remaining <= 0 or self._done <= 0:
            return ""
        return f", about {(now - self._began) / self._done * remaining:.0f} s left"
