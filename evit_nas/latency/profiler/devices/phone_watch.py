"""Clock and temperature of a phone before and after each round, and the waiting until both are fit."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from evit_nas.errors import DeviceError
from evit_nas.latency.profiler.devices.adb import Adb
from evit_nas.latency.profiler.devices.phone_identity import CPU

HOT_SKIN_C = 40.0
CAPPED = 0.97  # of the clock limit that the run began with
COOL_DOWN_S = 900.0  # the longest that a phone is waited for, in its own seconds
PAUSE_S = 15.0
QUIET_S = 180.0
BUSY_PERCENT = 60  # of one core, from which something else is at work
_CPU_TYPE, _SKIN_TYPE = 0, 3
_TEMPERATURE = re.compile(r"Temperature\{mValue=(-?[\d.]+), mType=(\d+),")
_STATUS = re.compile(r"Thermal Status:\s*(\d+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """One look at a phone. Temperatures in degrees Celsius, None where it does not tell; clocks of the pinned core."""

    uptime_s: float
    build: str
    clock_khz: int
    limit_khz: int
    peak_khz: int
    status: int | None
    skin_c: float | None
    cpu_c: float | None


def look_script(core: int) -> str:
    """What to run on the phone for one look."""
    folder = f"{CPU}/cpu{core}/cpufreq"
    names = ("scaling_cur_freq", "scaling_max_freq", "cpuinfo_max_freq")
    clocks = "; ".join(f"echo {name}=$(cat {folder}/{name})" for name in names)
    return (
        f"echo uptime=$(cat /proc/uptime); echo build=$(getprop ro.build.fingerprint); {clocks}; dumpsys thermalservice"
    )


def parse_look(text: str, serial: str, core: int) -> Look:
    """The look in `text`. Raises DeviceError where the core is off or the answer is none."""
    uptime = re.search(r"^uptime=([\d.]+)", text, re.MULTILINE)
    clocks = dict(re.findall(r"^(\w+_freq)=(\d+)\s*$", text, re.MULTILINE))
    build = re.search(r"^build=(.*)$", text, re.MULTILINE)
    if uptime is None or build is None:
        raise DeviceError(f"{serial}: its state cannot be read ({text.strip()[:60]!r}); restart the phone")
    if len(clocks) < 3:
        raise DeviceError(f"{serial}: core {core} is offline or hides its clock; choose another with --core")
    values = re.findall(_TEMPERATURE, _current(text))
    status = _STATUS.search(text)
    return Look(
        uptime_s=float(uptime[1]),
        build=build[1].strip(),
        clock_khz=int(clocks["scaling_cur_freq"]),
        limit_khz=int(clocks["scaling_max_freq"]),
        peak_khz=int(clocks["cpuinfo_max_freq"]),
        status=int(status[1]) if status else None,
        skin_c=_hottest(values, _SKIN_TYPE),
        cpu_c=_hottest(values, _CPU_TYPE),
    )


def _current(text: str) -> str:
    """The temperatures of now: Android lists cached ones before them, thresholds after."""
    part = text.partition("Current temperatures from HAL:")[2] or text
    return part.partition("Current cooling devices")[0]


def _hottest(values: list[tuple[str, str]], kind: int) -> float | None:
    found = [float(value) for value, own in values if int(own) == kind]
    return max(found, default=None)


def unfit(look: Look, limit_khz: int) -> str:
    """Why nothing should be timed now, "" where nothing speaks against it. `limit_khz`: the clock limit expected."""
    if look.status:
        return f"thermal status {look.status}"
    if look.skin_c is not None and look.skin_c > HOT_SKIN_C:
        return f"skin at {look.skin_c:.0f} degrees"
    if look.limit_khz < CAPPED * limit_khz:
        return f"the clock is limited to {look.limit_khz / 1e6:.2f} of {limit_khz / 1e6:.2f} GHz"
    return ""


def others(adb: Adb) -> str:
    """What else keeps the phone's cores busy, "" where nothing does or it does not tell. Raises LinkError."""
    text = adb.shell(["top", "-b", "-n", "1"]).out
    total = re.search(r"(\d+)%cpu\s.*?(\d+)%idle", text)
    if total is None:
        return ""
    busy = int(total[1]) - int(total[2])
    return f"other programs take {busy} % of a core" if busy > BUSY_PERCENT else ""


def wait_until_quiet(adb: Adb, note: Callable[[str], None], *, longest_s: float = QUIET_S) -> None:
    """Wait for other programs to end. Raises DeviceError where they do not in `longest_s` of the phone's time."""
    waited_s = 0.0
    while problem := others(adb):
        if waited_s >= longest_s:
            raise DeviceError(f"{adb.serial}: {problem}; close its apps, or restart it, and start again")
        if not waited_s:
            note(f"{adb.serial}: {problem}; waiting")
        adb.shell(["sleep", f"{PAUSE_S:g}"], timeout_s=PAUSE_S + 20)
        waited_s += PAUSE_S


def wait_until_fit(
    adb: Adb, core: int, limit_khz: int | None, note: Callable[[str], None], *, longest_s: float = COOL_DOWN_S
) -> Look:
    """Let the phone rest until it is fit; it sleeps on its own clock. `limit_khz` None: the core's peak.

    Raises DeviceError where it does not become fit in `longest_s`.
    """
    started, told = -1.0, ""
    while True:
        look = parse_look(adb.script(look_script(core)).out, adb.serial, core)
        problem, uptime_s = unfit(look, limit_khz or look.peak_khz), look.uptime_s
        if not problem:
            return look
        started = uptime_s if started < 0 else started
        if uptime_s - started >= longest_s:
            raise DeviceError(
                f"{adb.serial}: {problem} after a rest of {longest_s / 60:.0f} minutes; let it cool in the shade, take "
                "off its case, switch battery saver off, and start again (finished rows are kept)"
            )
        if problem != told:
            note(f"{adb.serial}: {problem}; waiting")
            told = problem
        adb.shell(["sleep", f"{PAUSE_S:g}"], timeout_s=PAUSE_S + 20)
