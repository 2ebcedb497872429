"""One call of benchmark_model on a phone, between two looks at it, in one command over adb."""

from __future__ import annotations

import hashlib
import re
import secrets
import shlex
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from evit_nas.errors import DeviceError
from evit_nas.latency.profiler.benchmark_model.flags import MAX_S, Call, arguments
from evit_nas.latency.profiler.benchmark_model.output import OpProfile, Report, UnreadableOutput, require
from evit_nas.latency.profiler.benchmark_model.parse_csv import parse_csv
from evit_nas.latency.profiler.benchmark_model.parse_proto import parse_proto
from evit_nas.latency.profiler.benchmark_model.parse_stdout import parse_stdout
from evit_nas.latency.profiler.devices.adb import Adb
from evit_nas.latency.profiler.devices.phone_identity import cpu_list
from evit_nas.latency.profiler.devices.phone_tool import FOLDER, InstalledTool
from evit_nas.latency.profiler.devices.phone_watch import Look, look_script, parse_look

_ON_PHONE_S = MAX_S + 60  # after which the phone itself ends a tool that hangs
_HERE_S = _ON_PHONE_S + 30
_CODES = {
    124: "it hung and was ended",
    126: "it may not be executed",
    127: "it is not there",
    134: "it aborted",
    137: "it was killed, perhaps for want of memory",
    139: "it crashed (segmentation fault)",
    143: "it hung and was ended",
}


class FailedRun(UnreadableOutput):
    """The tool ended badly. Whether it does so again is for the caller to find out."""


class DamagedModel(UnreadableOutput):
    """The model on the phone is not the one that was sent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pinned:
    """Where and how to run: `mask` 0 leaves the choice of the core to the phone, `core` is the one that is watched."""

    core: int
    mask: int
    threads: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What a call gave: the phone before and after it, the latency, the profile if one was asked for."""

    before: Look
    after: Look
    report: Report
    profile: OpProfile | None


def run_tool(adb: Adb, tool: InstalledTool, pinned: Pinned, call: Call, model_sha256: str) -> Run:
    """Raises UnreadableOutput (also FailedRun, DamagedModel) for what may go well the next time, else DeviceError."""
    nonce = secrets.token_hex(4)
    reply = adb.script(_script(tool, pinned, call, nonce), timeout_s=_HERE_S, retries=1, allow_garbage=True)
    parts = re.split(rf"^@{nonce} (\w+)\n", reply.out, flags=re.MULTILINE)
    said = dict(zip(parts[1::2], parts[2::2], strict=False))
    wanted = ("before", "tool", "code", "sums", "mask", "after")
    require(tuple(said) == wanted, "the phone's answer is cut off or damaged")
    code = said["code"].strip()
    before, after = (parse_look(said[name], adb.serial, pinned.core) for name in ("before", "after"))
    _check_mask(said["mask"], pinned, adb.serial)
    sums = {path: digest for digest, path in re.findall(r"^([0-9a-f]{64}) [ *](.+)$", said["sums"], re.MULTILINE)}
    if sums.get(call.model) != model_sha256:
        raise DamagedModel(f"the model on the phone is damaged or gone ({call.model})")
    if code != "0":
        number = int(code) if code.isdigit() else -1
        why = _CODES.get(number) or _reason(said["tool"] + reply.err)
        raise FailedRun(f"benchmark_model failed: {why} (exit code {code[:5]})")
    report = parse_stdout(said["tool"])
    return Run(before=before, after=after, report=report, profile=_profile(adb, call, report, sums))


def _script(tool: InstalledTool, pinned: Pinned, call: Call, nonce: str) -> str:
    pin = ["taskset", f"{pinned.mask:x}"] if pinned.mask else []
    run = shlex.join(["timeout", f"{_ON_PHONE_S:g}", *pin, str(tool.path), *arguments(tool.flags, call)])
    if tool.flags.tool == "litert":  # its results are on standard error
        run += " 2>&1"
    files = [call.model, *([call.profile_to] if call.profile_to else [])]
    look = look_script(pinned.core)
    return (
        f"echo @{nonce} before; {look}; echo @{nonce} tool; {run}; code=$?; echo; "
        f"echo @{nonce} code; echo $code; echo @{nonce} sums; sha256sum {shlex.join(files)}; "
        f"echo @{nonce} mask; {shlex.join([*pin, 'grep', 'Cpus_allowed_list', '/proc/self/status'])}; "
        f"echo @{nonce} after; {look}"
    )


def _check_mask(text: str, pinned: Pinned, serial: str) -> None:
    """What taskset was asked for is what a process got. Raises DeviceError."""
    if not pinned.mask:
        return
    wanted = {cpu for cpu in range(64) if pinned.mask >> cpu & 1}
    match = re.search(r"Cpus_allowed_list:\s*([\d,-]+)", text)
    if match is None:
        raise DeviceError(
            f"{serial}: taskset {pinned.mask:x} failed (not on the phone, or the core is off); choose other cores, or "
            "--core any to measure without pinning"
        )
    got = cpu_list(match[1])
    if got != wanted:
        raise DeviceError(f"{serial}: asked for cores {sorted(wanted)}, the phone gives {sorted(got)}; use --core any")


def _profile(adb: Adb, call: Call, report: Report, sums: dict[str, str]) -> OpProfile | None:
    if not call.profile:
        return None
    if not call.profile_to:
        require(report.profile is not None, "no operator profile in the output")
        return report.profile
    content = _file(adb, call, sums)
    if call.mode == "proto":
        return parse_proto(content)
    return parse_csv(content.decode("utf-8", errors="replace"))


def _file(adb: Adb, call: Call, sums: dict[str, str]) -> bytes:
    require(call.profile_to in sums, "the operator profile was not written; is the phone's storage full?")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "profile"
        adb.pull(PurePosixPath(call.profile_to), target)
        adb.shell(["rm", "-f", call.profile_to])
        content = target.read_bytes()
    same = hashlib.sha256(content).hexdigest() == sums[call.profile_to]
    require(same, "the operator profile arrived damaged")
    return content


def _reason(output: str) -> str:
    """The tool's first complaint, else its last words."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    complaints = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (complaints or lines[-1:] or ["it said nothing"])[0][:100]


def profile_path(mode: str) -> str:
    """Where the tool is to write its profile on the phone; "" for standard output. A new name each time: no older
    profile is ever taken for this one's, even where files can no longer be removed."""
    return "" if mode == "stdout" else str(FOLDER / f"profile.{secrets.token_hex(4)}.{mode}")
