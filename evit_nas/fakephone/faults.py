"""What can go wrong with a phone, and when: a list of windows in phone time, combined as one likes."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evit_nas.errors import InputError, nearest

PHASES = ("push", "shell", "run")  # a file sent; a command other than the benchmark; the benchmark

NAMES: Mapping[str, str] = {
    "unplugged": "the link drops, in a command or in a push, and stays down",
    "unauthorised": "the phone asks its owner; authorised when the window closes",
    "offline": "the phone does not answer the handshake",
    "disk-full": "No space left on device",
    "read-only": "the target folder is read-only",
    "corrupt-push": "one byte of a pushed file arrives wrong",
    "slow-link": "files travel at 0.5 MB/s, and every command takes 0.2 s more",
    "no-shell-v2": "an old adbd: neither exit codes nor a separate stderr",
    "hot": "skin at 48 degrees, thermal status 2 (no slower yet)",
    "throttled": "times x 1.6, the clock limit and thermal status show it",
    "capped-clock": "scaling_max_freq at 60 %, temperatures normal",
    "prime-core-off": "the fastest cluster is offline",
    "no-taskset": "taskset is not on the phone",
    "no-thermal-files": "/sys/class/thermal is denied to the shell (dumpsys still answers)",
    "no-fixed-performance": "fixed-performance mode is refused",
    "second-user": "another process loads the phone: times x 1.5 and noisy",
    "crash-139": "the command dies of SIGSEGV, exit code 139",
    "crash-137": "the command is killed, exit code 137",
    "hang": "the command never ends",
    "truncated-output": "the output stops half-way, exit code 0",
    "garbage-bytes": "bytes that are no text in the output",
}
LINK_FAULTS = ("unplugged", "unauthorised", "offline")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One window. It opens once the phone has spent `after_s` in `phase` (None: since its start) and stays `for_s`.

    A fault of commands (crash, hang, output) touches only commands of its phase; every other one touches the phone.
    """

    fault: str
    phase: str | None = None
    after_s: float = 0.0
    for_s: float | None = None


def read_faults(path: Path) -> tuple[Fault, ...]:
    """The faults of a JSON file. Raises InputError."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error})") from None
    return faults_from(document, str(path))


def faults_from(document: object, source: str) -> tuple[Fault, ...]:
    """The faults of a decoded JSON list. Raises InputError, naming `source` and the item."""
    if not isinstance(document, list):
        raise InputError(f'{source}: must be a JSON list of {{"fault", "phase", "after_s", "for_s"}}')
    return tuple(_fault(item, f"{source}: item {i}") for i, item in enumerate(document))


def _fault(item: object, where: str) -> Fault:
    if not isinstance(item, dict) or "fault" not in item:
        raise InputError(f'{where}: must be an object with a "fault"; valid: {", ".join(NAMES)}')
    for key in item:
        if key not in Fault.__slots__:
            raise InputError(f"{where}: unknown key {key!r}; {nearest(str(key), Fault.__slots__)}")
    name, phase = item["fault"], item.get("phase")
    if name not in NAMES:
        raise InputError(f"{where}: unknown fault {name!r}; {nearest(str(name), NAMES)}")
    if phase is not None and phase not in PHASES:
        raise InputError(f"{where}: unknown phase {phase!r}; valid: {', '.join(PHASES)}, or none for any")
    for_s = item.get("for_s")
    after_s = _seconds(item.get("after_s", 0.0), f"{where}: after_s")
    return Fault(fault=name, phase=phase, after_s=after_s, for_s=None if for_s is None else _seconds(for_s, where))


def _seconds(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise InputError(f"{where}: {value!r} is not a time in seconds, 0 or more")
    return float(value)


@dataclass(slots=True)
class _Window:
    fault: Fault
    spent_s: float = 0.0
    opened_s: float | None = None

    def is_open(self, now_s: float) -> bool:
        if self.opened_s is None:
            return False
        return self.fault.for_s is None or now_s < self.opened_s + self.fault.for_s


class Schedule:
    """The windows of a phone. Thread-safe; `on_open` is called, outside the lock, with the name of each that opens."""

    def __init__(self, faults: Sequence[Fault], now_s: float, on_open: Callable[[str], None]) -> None:
        self._lock = threading.Lock()
        self._windows = [_Window(fault) for fault in faults]
        self._on_open = on_open
        self._start_s = now_s

    def until_change_s(self, phase: str, now_s: float) -> float:
        """Phone seconds of `phase` until a window opens or closes; infinite where none will."""
        with self._lock:
            return min((self._left_s(window, phase, now_s) for window in self._windows), default=math.inf)

    def _left_s(self, window: _Window, phase: str, now_s: float) -> float:
        fault = window.fault
        if window.opened_s is None:
            if fault.phase is None:
                return max(self._start_s + fault.after_s - now_s, 0.0)
            return max(fault.after_s - window.spent_s, 0.0) if fault.phase == phase else math.inf
        left_s = math.inf if fault.for_s is None else window.opened_s + fault.for_s - now_s
        return left_s if left_s > 0 else math.inf

    def spend(self, phase: str | None, seconds: float, now_s: float) -> None:
        """Count `seconds` that ended at `now_s` in `phase`, and open what is due."""
        opened = []
        with self._lock:
            for window in self._windows:
                if window.opened_s is not None:
                    continue
                if window.fault.phase is not None and window.fault.phase == phase:
                    window.spent_s += seconds
                    due = window.spent_s >= window.fault.after_s - 1e-9
                else:
                    due = window.fault.phase is None and now_s >= self._start_s + window.fault.after_s - 1e-9
                if due:
                    window.opened_s = now_s
                    opened.append(window.fault.fault)
        for name in opened:
            self._on_open(name)

    def active(self, name: str, now_s: float, phase: str | None = None) -> bool:
        """Whether a window of that name is open; with `phase`, only one of that phase or of none counts."""
        with self._lock:
            return any(
                window.fault.fault == name and window.is_open(now_s) and phase in (None, window.fault.phase or phase)
                for window in self._windows
            )
