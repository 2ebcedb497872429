"""The machine's lock for work that gives way to timing between its steps."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from evit_nas.latency.profiler.lock import machine_lock


def step_lock(note: Callable[[str], None]) -> Callable[[], AbstractContextManager[None]]:
    """A function that holds the machine, shared, for one step. The first wait alone is told to `note`."""
    told = False

    def once(text: str) -> None:
        nonlocal told
        if not told:
            note(text)
        told = True

    return lambda: machine_lock("training", note=once)
