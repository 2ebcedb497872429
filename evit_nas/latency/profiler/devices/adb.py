"""The real adb client, called with argument lists and a time limit on everything.

adb's own exit code says nothing about the phone (adb 29 returns 0 when the cable is pulled), so every command ends
with a line that carries a fresh number and the phone's exit code, and counts only with that line.
ANDROID_ADB_SERVER_PORT and HOME are those of the user.
"""

from __future__ import annotations

import re
import secrets
import shlex
import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from evit_nas.errors import DeviceError
from evit_nas.latency.profiler.devices.adb_state import Attached, advice, parse_devices

SHORT_S = 20.0
RECONNECT_S = 12.0
HANGS = 1  # retries of a command that got no answer
_PUSH_BYTES_PER_S = 2e5  # the slowest link that is waited for
_RETRY_PAUSE_S = 0.3


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What a command on the phone wrote, and its exit code. `err` is empty where an old adbd mixes both streams."""

    out: str
    err: str
    code: int


class LinkError(DeviceError):
    """The phone could not be reached, or the link broke; the command may or may not have run."""


class NoAnswer(LinkError):
    """The phone took longer than its time limit; it may hang."""


@cache
def adb_binary() -> str:
    """The system's adb, else the one that adbutils ships. Raises DeviceError where there is neither."""
    found = shutil.which("adb")
    if found:
        return found
    try:
        import adbutils  # type: ignore[import-untyped]

        return str(adbutils.adb_path())
    except (ImportError, RuntimeError, OSError) as error:
        raise DeviceError(f"adb: not found ({error}); install Android's platform tools") from None


def run_adb(arguments: Sequence[str], *, timeout_s: float = SHORT_S) -> subprocess.CompletedProcess[bytes]:
    """One call of adb, whatever its exit code. Raises DeviceError: it cannot be started, or its time is over."""
    command = [adb_binary(), *arguments]
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        serial, words = (arguments[1], arguments[2:]) if arguments[0] == "-s" else ("adb", arguments)
        remedy = "run adb kill-server" if serial == "adb" else "restart the phone"
        raise NoAnswer(f"{serial}: no answer to adb {words[0]} in {timeout_s:.0f} s; {remedy}") from None
    except OSError as error:
        raise DeviceError(f"adb: cannot be run ({error.strerror}); install Android's platform tools") from None


def attached() -> tuple[Attached, ...]:
    """Every phone that adb's server knows, in whatever state. Raises DeviceError where the server cannot be used."""
    done = run_adb(["devices", "-l"])
    text = done.stdout.decode(errors="replace")
    if done.returncode or "List of devices" not in text:
        told = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        raise DeviceError(f"adb: the server does not answer ({(told or ['no output'])[-1][:120]}); run adb kill-server")
    return parse_devices(text)


class Adb:
    """One phone by its serial."""

    def __init__(self, serial: str) -> None:
        self.serial = serial

    def shell(self, *commands: Sequence[str], timeout_s: float = SHORT_S, retries: int = 2) -> Reply:
        """Run commands one after the other; the exit code is the last one's. Raises LinkError, DeviceError.

        `retries`: how often to try again where the link breaks; 0 for what must not run twice.
        """
        return self.script("; ".join(shlex.join(command) for command in commands), timeout_s, retries)

    def script(self, text: str, timeout_s: float = SHORT_S, retries: int = 2, *, allow_garbage: bool = False) -> Reply:
        """The same for a line of shell whose words are quoted already.

        An answer with bytes that are no text is a broken link unless `allow_garbage`.
        """
        for attempt in range(retries + 1):
            try:
                return self._shell(text, timeout_s, allow_garbage)
            except LinkError as error:
                self._again(error, attempt, retries)
        raise AssertionError("no attempt")

    def push(self, content: Path, remote: PurePosixPath, retries: int = 2) -> None:
        """Copy a file to the phone. What has arrived is for the caller to check. Raises LinkError, DeviceError."""
        timeout_s = SHORT_S + content.stat().st_size / _PUSH_BYTES_PER_S
        self._transfer(["push", str(content), str(remote)], timeout_s, retries)

    def pull(self, remote: PurePosixPath, target: Path, retries: int = 2) -> None:
        """Copy a file from the phone. Raises LinkError, DeviceError."""
        self._transfer(["pull", str(remote), str(target)], 3 * SHORT_S, retries)

    def reconnect(self, timeout_s: float = RECONNECT_S) -> None:
        """Wait for the phone, dialling again where it is one of the network. Raises LinkError with what to do."""
        until_s, state = time.monotonic() + timeout_s, "absent"
        while time.monotonic() < until_s:
            state = self.state()
            if state == "device":
                return
            if ":" in self.serial and state in ("absent", "offline"):
                if state == "offline":
                    run_adb(["disconnect", self.serial])
                with suppress(NoAnswer):  # adb itself dials for ten seconds
                    run_adb(["connect", self.serial], timeout_s=max(until_s - time.monotonic(), 1.0))
            elif state not in ("absent", "offline"):
                break
            time.sleep(_RETRY_PAUSE_S)
        raise LinkError(f"{self.serial}: {state}; {advice(state, self.serial)}")

    def state(self) -> str:
        """adb's word for the phone's state, `absent` where it is not listed."""
        return next((found.state for found in attached() if found.serial == self.serial), "absent")

    def _shell(self, text: str, timeout_s: float, allow_garbage: bool) -> Reply:
        nonce = secrets.token_hex(6)
        line = f"{{ {text}; }}; echo __RC_{nonce}=$?"
        done = run_adb(["-s", self.serial, "shell", line], timeout_s=timeout_s)
        out = done.stdout.decode("utf-8", errors="replace")
        found = re.search(rf"\n?__RC_{nonce}=(\d+)\r?\n?\Z", out)
        err = done.stderr.decode("utf-8", errors="replace")
        if "\ufffd" in out and (found is None or not allow_garbage):
            raise LinkError(f"{self.serial}: its answer holds bytes that are no text; use another cable or port")
        if found is None:
            told = (err.strip() or "its answer is cut off").splitlines()[-1][:120]
            raise LinkError(f"{self.serial}: the command did not come to its end ({told}); check the cable")
        return Reply(out=out[: found.start()].replace("\r\n", "\n") + "\n", err=err, code=int(found[1]))

    def _transfer(self, arguments: Sequence[str], timeout_s: float, retries: int) -> None:
        for attempt in range(retries + 1):
            try:
                return self._transfer_once(arguments, timeout_s)
            except LinkError as error:
                self._again(error, attempt, retries)
        return None

    def _again(self, error: LinkError, attempt: int, retries: int) -> None:
        """Raise `error` where another attempt is not worth it: each one at a phone that hangs takes its whole limit."""
        if attempt >= min(retries, HANGS if isinstance(error, NoAnswer) else retries):
            raise error
        time.sleep(_RETRY_PAUSE_S)
        self.reconnect()

    def _transfer_once(self, arguments: Sequence[str], timeout_s: float) -> None:
        done = run_adb(["-s", self.serial, *arguments], timeout_s=timeout_s)
        if done.returncode == 0:
            return
        told = (done.stderr + done.stdout).decode(errors="replace").strip().splitlines()
        reason = next((line for line in told if "error" in line or "failed" in line), (told or ["no reason"])[-1])
        if "No space left" in reason:
            raise DeviceError(f"{self.serial}: its storage is full; free some space under /data and start again")
        if "Read-only" in reason or "Permission denied" in reason:
            raise DeviceError(f"{self.serial}: {arguments[-1]} cannot be written ({reason[-100:]}); restart the phone")
        raise LinkError(f"{self.serial}: {arguments[0]} failed ({reason[:140]}); check the cable")
