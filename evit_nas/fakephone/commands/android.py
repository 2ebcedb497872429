"""Android's own programs: getprop, setprop, settings, svc, cmd, dumpsys, input, am, wm, log, logcat."""

from __future__ import annotations

from collections.abc import Mapping

from evit_nas.fakephone.interpreter import Shell
from evit_nas.fakephone.program import Pipes, Program

_DENIED = "Security exception: the shell of a fake phone may not do this"


def _getprop(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    properties = shell.phone.properties
    if len(arguments) > 1:
        default = arguments[2] if len(arguments) > 2 else ""
        pipes.say(f"{properties.get(arguments[1], default)}\n")
    else:
        pipes.say("".join(f"[{name}]: [{value}]\n" for name, value in sorted(properties.items())))
    return 0


def _setprop(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    if len(arguments) != 3 or not arguments[1].startswith("debug."):
        pipes.complain(f"Failed to set property '{' '.join(arguments[1:2])}'.\nSee dmesg for error reason.")
        return 1
    shell.phone.properties[arguments[1]] = arguments[2]
    return 0


def _settings(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    """settings get|put|delete|list NAMESPACE [KEY [VALUE]]."""
    settings = shell.phone.settings
    match arguments[1:]:
        case ["get", space, key]:
            pipes.say(f"{settings.get((space, key), 'null')}\n")
        case ["put", space, key, value, *_]:
            settings[space, key] = value
        case ["delete", space, key]:
            pipes.say(f"Deleted {int(settings.pop((space, key), None) is not None)} rows\n")
        case ["list", space]:
            pipes.say("".join(f"{key}={value}\n" for (own, key), value in sorted(settings.items()) if own == space))
        case _:
            pipes.complain("Invalid command: settings get|put|delete|list NAMESPACE [KEY [VALUE]]")
            return 255
    return 0


def _svc(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    """svc power stayon true|false|usb|ac|wireless: 7 is any power source. svc wifi|data enable|disable."""
    match arguments[1:]:
        case ["power", "stayon", value] if value in ("true", "false", "usb", "ac", "wireless"):
            number = {"true": "7", "false": "0", "usb": "2", "ac": "1", "wireless": "4"}[value]
            shell.phone.settings["global", "stay_on_while_plugged_in"] = number
            return 0
        case ["wifi" | "data", "enable" | "disable" as action]:
            shell.phone.settings["global", f"{arguments[1]}_on"] = str(int(action == "enable"))
            return 0
    pipes.complain("usage: svc [power|wifi|data] ...")
    return 1


def _cmd(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    match arguments[1:]:
        case ["power", "set-fixed-performance-mode-enabled", "true" | "false" as value]:
            return _fixed_performance(shell, value == "true", pipes)
        case ["connectivity", "airplane-mode"]:
            enabled = shell.phone.settings["global", "airplane_mode_on"] == "1"
            pipes.say("enabled\n" if enabled else "disabled\n")
            return 0
        case ["connectivity", "airplane-mode", "enable" | "disable" as action]:
            shell.phone.settings["global", "airplane_mode_on"] = str(int(action == "enable"))
            return 0
        case ["thermalservice", "override-status" | "reset", *_]:
            pipes.complain(_DENIED)
            return 255
    pipes.complain(f"cmd: Can't find service: {' '.join(arguments[1:2])}")
    return 20


def _fixed_performance(shell: Shell, enabled: bool, pipes: Pipes) -> int:
    """On this phone the mode leaves the clock alone and halves the heat."""
    if shell.phone.faulty("no-fixed-performance"):
        pipes.say("Failed to set FIXED_PERFORMANCE mode\nFixed performance mode is not supported on this device\n")
        return 255
    shell.phone.fixed_performance = enabled
    return 0


def _dumpsys(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    service = next((word for word in arguments[1:] if not word.startswith("-")), "")
    texts = {"thermalservice": _thermal, "battery": _battery, "power": _power, "window": _window, "deviceidle": _idle}
    if service not in texts:
        pipes.say(f"Can't find service: {service}\n")
        return 0
    pipes.say(texts[service](shell))
    return 0


def _thermal(shell: Shell) -> str:
    degrees, status = shell.phone.temperatures_c(), shell.phone.thermal_status()
    kinds = (("CPU", 0, "cpu"), ("battery", 2, "battery"), ("skin", 3, "skin"))
    rows = "".join(
        f"\tTemperature{{mValue={degrees[sensor]:.1f}, mType={number}, mName={name}, mStatus={status}}}\n"
        for name, number, sensor in kinds
    )
    return (
        f"IsStatusOverride: false\nThermalEventListeners:\n\tcallbacks: 1\nThermal Status: {status}\n"
        f"Cached temperatures:\n{rows}HAL Ready: true\nCurrent temperatures from HAL:\n{rows}"
    )


def _battery(shell: Shell) -> str:
    tenths = round(10 * shell.phone.temperatures_c()["battery"])
    return (
        "Current Battery Service state:\n  AC powered: false\n  USB powered: true\n  Wireless powered: false\n"
        "  status: 2\n  health: 2\n  present: true\n  level: 87\n  scale: 100\n"
        f"  voltage: 4210\n  temperature: {tenths}\n"
    )


def _power(shell: Shell) -> str:
    stay_on = shell.phone.settings["global", "stay_on_while_plugged_in"]
    fixed = str(shell.phone.fixed_performance).lower()
    return (
        "POWER MANAGER (dumpsys power)\n  mWakefulness=Awake\n  mIsPowered=true\n"
        f"  mStayOn={str(stay_on != '0').lower()}\n  FIXED_PERFORMANCE={fixed}\nDisplay Power: state=ON\n"
    )


def _window(shell: Shell) -> str:
    return "WINDOW MANAGER POLICY STATE (dumpsys window policy)\n    showing=false\n    screenState=SCREEN_STATE_ON\n"


def _idle(shell: Shell) -> str:
    return "  mState=ACTIVE\n  mLightState=ACTIVE\n"


def _nothing(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    return 0


PROGRAMS: Mapping[str, Program] = {
    "getprop": _getprop,
    "setprop": _setprop,
    "settings": _settings,
    "svc": _svc,
    "cmd": _cmd,
    "dumpsys": _dumpsys,
    "input": _nothing,
    "am": _nothing,
    "wm": _nothing,
    "log": _nothing,
    "logcat": _nothing,
}
