"""The phone's settings while it is measured: steady clocks, dim screen that stays on, airplane mode. All put back.

What a setting was is written to a journal on this machine before it is changed. A run that is killed leaves the journal
behind, and the next one puts back what stands in it before it does anything else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from evit_nas.errors import DeviceError
from evit_nas.files import write_text
from evit_nas.latency.profiler.devices.adb import Adb

FIXED = ("cmd", "power", "set-fixed-performance-mode-enabled")
AIRPLANE = ("cmd", "connectivity", "airplane-mode")
_FIXED_NAME, _AIRPLANE_NAME = "fixed performance", "airplane mode"
_LOCAL = re.compile(r"^(127\.0\.0\.1|localhost):")
_LOOKS = 3
_GONE_S = 2.0  # a phone that is gone at the end has been waited for before


@dataclass(frozen=True, kw_only=True, slots=True)
class _Setting:
    space: str
    key: str
    value: str

    @property
    def name(self) -> str:
        return f"{self.space} {self.key}"


# dim, but on: a dark screen lets the phone doze, a bright one warms it; 3 is any charger or cable
_SETTINGS = (
    _Setting(space="global", key="stay_on_while_plugged_in", value="3"),
    _Setting(space="system", key="screen_brightness_mode", value="0"),
    _Setting(space="system", key="screen_brightness", value="0"),
)


def state_folder() -> Path:
    """Where journals and locks of phones lie."""
    return platformdirs.user_state_path("evit-nas") / "phones"


def _beside(serial: str, suffix: str) -> Path:
    return state_folder() / (re.sub(r"[^A-Za-z0-9.-]", "_", serial) + suffix)


@contextmanager
def phone_lock(serial: str) -> Iterator[None]:
    """One run at a time on a phone. Raises DeviceError where another one has it; the lock dies with its process."""
    path = _beside(serial, ".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise DeviceError(f"{serial}: another evit-nas process measures on it; wait for that to end") from None
    try:
        yield
    finally:
        lock.release()


def left_changed(serial: str) -> bool:
    """Whether a killed run left the settings of this phone changed."""
    return _beside(serial, ".json").exists()


def restore_leftovers(adb: Adb, note: Callable[[str], None]) -> bool:
    """Put back what a killed run left changed. Whether there was anything. Raises LinkError."""
    journal = _beside(adb.serial, ".json")
    if not journal.exists():
        return False
    try:
        saved = json.loads(journal.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        saved = None
    if not isinstance(saved, dict) or not all(isinstance(item, str) for pair in saved.items() for item in pair):
        raise DeviceError(f"{adb.serial}: {journal} is damaged; check the phone's settings by hand and delete the file")
    restore(adb, saved)
    journal.unlink()
    note(f"{adb.serial}: put back the settings that an earlier, killed run had changed")
    return True


@contextmanager
def measuring_settings(adb: Adb, note: Callable[[str], None]) -> Iterator[tuple[str, ...]]:
    """The phone set up for measuring; gives the names of what holds. Put back at the end, also after a failure.

    Where the phone is gone by then, the journal stays, and the next start puts the settings back.
    """
    restore_leftovers(adb, note)
    saved = _current(adb)
    journal = _beside(adb.serial, ".json")
    write_text(journal, json.dumps(saved, indent=2))
    try:
        holds = _apply(adb, saved, note)
        if _FIXED_NAME not in holds:  # a phone without the mode cannot be asked to leave it
            saved.pop(_FIXED_NAME)
            write_text(journal, json.dumps(saved, indent=2))
        yield holds
    finally:
        try:
            adb.reconnect(_GONE_S)
            restore(adb, saved)
            journal.unlink(missing_ok=True)
        except DeviceError as error:
            note(f"{adb.serial}: its settings could not be put back now; the next evit-nas run on it does ({error})")


def restore(adb: Adb, saved: Mapping[str, str]) -> None:
    """Set everything back to what it was, whatever it is now. Raises LinkError, DeviceError."""
    commands = []
    if _AIRPLANE_NAME in saved:
        commands.append([*AIRPLANE, "enable" if saved[_AIRPLANE_NAME] == "enabled" else "disable"])
    for setting in _SETTINGS:
        value = saved.get(setting.name)
        if value == "null":
            commands.append(["settings", "delete", setting.space, setting.key])
        elif value is not None:
            commands.append(["settings", "put", setting.space, setting.key, value])
    if commands:
        adb.shell(*commands)
    for setting in _SETTINGS:
        if setting.name in saved and _get(adb, setting) != saved[setting.name]:
            raise DeviceError(f"{adb.serial}: {setting.name} is not back at {saved[setting.name]}; restart the phone")
    if _AIRPLANE_NAME in saved and _airplane(adb) != saved[_AIRPLANE_NAME]:
        raise DeviceError(f"{adb.serial}: airplane mode is not {saved[_AIRPLANE_NAME]} again; set it by hand")
    if _FIXED_NAME in saved and adb.shell([*FIXED, "false"]).code:
        raise DeviceError(f"{adb.serial}: does not leave its fixed-performance mode; restart the phone")


def _current(adb: Adb) -> dict[str, str]:
    """What there is to put back. Airplane mode is left alone where it would cut the link itself."""
    saved = {setting.name: _get(adb, setting) for setting in _SETTINGS}
    saved[_FIXED_NAME] = "off"
    if ":" not in adb.serial or _LOCAL.match(adb.serial):
        mode = _airplane(adb)
        if mode in ("enabled", "disabled"):
            saved[_AIRPLANE_NAME] = mode
    return saved


def _apply(adb: Adb, saved: Mapping[str, str], note: Callable[[str], None]) -> tuple[str, ...]:
    holds = []
    for setting in _SETTINGS:
        adb.shell(["settings", "put", setting.space, setting.key, setting.value])
    if _AIRPLANE_NAME in saved and adb.shell([*AIRPLANE, "enable"]).code == 0:
        holds.append(_AIRPLANE_NAME)
    fixed = adb.shell([*FIXED, "true"])
    if fixed.code == 0 and "not supported" not in fixed.out + fixed.err:
        holds.append(_FIXED_NAME)
    else:
        note(f"{adb.serial}: no fixed-performance mode; clocks may vary, rounds in which they fall are repeated")
    return tuple(holds)


def _airplane(adb: Adb) -> str:
    """`enabled`, `disabled`, or what a phone says that cannot be asked."""
    return adb.shell([*AIRPLANE]).out.strip()


def _get(adb: Adb, setting: _Setting) -> str:
    """A number, or `null` where it was never set. Raises DeviceError: nothing else may be put back later."""
    for _ in range(_LOOKS):
        value = adb.shell(["settings", "get", setting.space, setting.key]).out.strip()
        if re.fullmatch(r"null|-?\d+(\.\d+)?", value):
            return value
    raise DeviceError(f"{adb.serial}: {setting.name} reads {value[:40]!r}; restart the phone")
