"""Battery and temperature of a phone, for people."""

from __future__ import annotations

import re

from evit_nas.latency.profiler.devices.adb import Adb


def battery_text(adb: Adb) -> str:
    """`, battery 87 %, 29 degrees`; empty where the phone does not tell. Raises LinkError."""
    text = adb.shell(["dumpsys", "battery"]).out
    level = re.search(r"^\s*level: (\d+)$", text, re.MULTILINE)
    tenths = re.search(r"^\s*temperature: (\d+)$", text, re.MULTILINE)
    shown = f", battery {level[1]} %" if level else ""
    return shown + (f", {int(tenths[1]) / 10:.0f} degrees" if tenths else "")
