"""One lock per machine: nothing is timed while something else is timed or trained.

Timing holds the lock alone. Training holds it shared, one step at a time, so that several trainings run beside each
other and stand still as soon as something wants to be timed. The lock dies with its process, kill -9 included.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Literal

from filelock import FileLock, Timeout

from evit_nas.errors import DeviceError

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

Mode = Literal["timing", "training"]
POLL_S = 0.05


class _Held(threading.local):
    """What this thread holds: a nested request for timing is granted at once."""

    mode: Mode | None = None


_held = _Held()


def lock_path() -> Path:
    """The lock file. Beside it `.gate`, held by whoever waits for timing, so that no training overtakes."""
    return Path(tempfile.gettempdir()) / "evit-nas-machine.lock"


@contextmanager
def machine_lock(
    mode: Mode = "timing",
    *,
    note: Callable[[str], None] | None = None,
    timeout_s: float | None = None,
    path: Path | None = None,
) -> Iterator[None]:
    """Hold the machine for timing (alone) or for one step of training (shared).

    `note` is told once when there is something to wait for. Raises DeviceError after `timeout_s`, or where the lock
    file cannot be used.
    """
    if _held.mode is not None:
        if (_held.mode, mode) == ("training", "timing"):
            raise DeviceError("cannot time anything inside a training step of the same process")
        yield
        return
    path = path or lock_path()
    with _gate(path, note, timeout_s):
        file = _open(path)
        try:
            _acquire(file, shared=mode == "training", note=note, timeout_s=timeout_s)
        except BaseException:
            file.close()
            raise
    _held.mode = mode
    try:
        yield
    finally:
        _held.mode = None
        file.close()


@contextmanager
def _gate(path: Path, note: Callable[[str], None] | None, timeout_s: float | None) -> Iterator[None]:
    gate = FileLock(path.with_suffix(".gate"), mode=0o666)
    try:
        with suppress(Timeout):
            gate.acquire(timeout=0)
        if not gate.is_locked:
            _say(note)
            gate.acquire(timeout=-1 if timeout_s is None else timeout_s)
    except Timeout:
        raise _busy(timeout_s) from None
    except OSError as error:
        raise DeviceError(f"{path}: the machine's lock cannot be used ({error.strerror})") from None
    try:
        yield
    finally:
        gate.release()


def _open(path: Path) -> IO[bytes]:
    try:
        file = path.open("ab")
        with suppress(OSError):
            path.chmod(0o666)
    except OSError as error:
        raise DeviceError(f"{path}: the machine's lock cannot be used ({error.strerror})") from None
    return file


def _acquire(file: IO[bytes], *, shared: bool, note: Callable[[str], None] | None, timeout_s: float | None) -> None:
    if fcntl is None:
        return
    flag = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
    started, told = time.monotonic(), False
    while True:
        try:
            fcntl.flock(file, flag)
            return
        except BlockingIOError:
            if timeout_s is not None and time.monotonic() - started >= timeout_s:
                raise _busy(timeout_s) from None
        if not told:
            _say(note)
            told = True
        time.sleep(POLL_S)


def _say(note: Callable[[str], None] | None) -> None:
    if note is not None:
        note("waiting: another evit-nas process is timing or training on this machine")


def _busy(timeout_s: float | None) -> DeviceError:
    return DeviceError(f"host: another evit-nas process has held this machine for {timeout_s:g} s; wait for it to end")
