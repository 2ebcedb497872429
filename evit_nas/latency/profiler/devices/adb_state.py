"""What `adb devices -l` lists, and what to do about each state."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_ADVICE: Mapping[str, str] = {
    "unauthorized": "unlock it, look at its screen and allow USB debugging",
    "authorizing": "wait a moment and try again",
    "offline": "replug the cable, or switch USB debugging off and on",
    "no permissions": "add a udev rule for it (package android-sdk-platform-tools-common) and replug it",
    "recovery": "boot it into Android",
    "sideload": "boot it into Android",
    "bootloader": "boot it into Android",
    "absent": "connect it, switch USB debugging on and see that adb devices lists it",
}

_THIS_MACHINE = ("127.0.0.1", "localhost")


@dataclass(frozen=True, kw_only=True, slots=True)
class Attached:
    """A phone as adb's server lists it. `state` is adb's own word; `model` may be empty."""

    serial: str
    state: str
    model: str = ""

    @property
    def advice(self) -> str:
        """What to do about the state; empty for a phone that is ready."""
        return advice(self.state, self.serial)


def advice(state: str, serial: str) -> str:
    """What to do about a state of adb's; empty where nothing is to be done."""
    if state == "device":
        return ""
    if state in ("absent", "offline") and ":" in serial:
        return f"see that it is on and in the network, then adb disconnect {serial} and adb connect {serial}"
    return _ADVICE.get(state, "replug it, then adb kill-server")


def parse_devices(text: str) -> tuple[Attached, ...]:
    """The lines of `adb devices -l` after its title; the server's own messages start with `*`."""
    found = []
    for line in text.partition("List of devices attached")[2].splitlines():
        serial, _, rest = line.strip().partition(" ")
        if not serial or serial.startswith("*") or not rest.strip():
            continue
        words = rest.split()
        state = "no permissions" if words[:2] == ["no", "permissions"] else words[0]
        pairs = dict(word.split(":", 1) for word in words if ":" in word)
        found.append(Attached(serial=serial, state=state, model=pairs.get("model", "").replace("_", " ")))
    return tuple(phone for phone in found if not _is_second_name(phone.serial, {other.serial for other in found}))


def _is_second_name(serial: str, serials: set[str]) -> bool:
    """Whether adb lists the phone by its address too: it takes odd ports of this machine from 5555 to 5585 for those of
    emulators, and calls each by the port before."""
    match = re.fullmatch(r"emulator-(\d+)", serial)
    return match is not None and not serials.isdisjoint(f"{name}:{int(match[1]) + 1}" for name in _THIS_MACHINE)
