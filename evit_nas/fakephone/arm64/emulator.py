"""Runs a program that was pushed to the fake phone: under qemu-user, on copies of the phone's files."""

from __future__ import annotations

import hashlib
import os
import resource
import selectors
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from evit_nas.fakephone.arm64.elf import NotAndroid, for_glibc
from evit_nas.fakephone.arm64.mirror import Mirror
from evit_nas.fakephone.arm64.toolchain import Toolchain
from evit_nas.fakephone.interpreter import Shell
from evit_nas.fakephone.phone import Phone
from evit_nas.fakephone.process import Ended
from evit_nas.fakephone.program import PATH, Pipes
from evit_nas.fakephone.properties import EMULATED
from evit_nas.fakephone.shell_service import spoil

_LOOK_S = 0.02
_GRACE_S = 2.0
_READ_BYTES = 1 << 16
_NOT_EXECUTABLE = 126
_SIGNALS = {124: signal.SIGTERM, 129: signal.SIGHUP, 130: signal.SIGINT, 143: signal.SIGTERM}  # by exit code
_PHASE = "run"
_ENVIRONMENT = {
    "PATH": PATH,
    "HOME": "/",
    "TMPDIR": "/data/local/tmp",
    "ANDROID_ROOT": "/system",
    "ANDROID_DATA": "/data",
}


@contextmanager
def emulating(phone: Phone, toolchain: Toolchain) -> Iterator[None]:
    """Inside the block `phone` runs arm64 programs; at its end those that still run are killed."""
    with tempfile.TemporaryDirectory(prefix="evit-nas-phone-") as folder:
        emulator = _Emulator(phone, toolchain, Path(folder))
        phone.emulator = emulator.run
        phone.properties[EMULATED] = "1"
        try:
            yield
        finally:
            phone.emulator = None
            emulator.stop()


class _Emulator:
    """`folder` holds the phone's files and the programs as they are run."""

    def __init__(self, phone: Phone, toolchain: Toolchain, folder: Path) -> None:
        self._phone, self._toolchain = phone, toolchain
        self._root, self._programs = folder / "phone", folder / "programs"
        for made in (self._root, self._programs):
            made.mkdir()
        self._mirror = Mirror(phone.files, self._root)
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def run(self, shell: Shell, arguments: list[str], pipes: Pipes) -> int:
        """A `program.Program`: its input is empty, its exit code is returned. Raises Ended where a signal ends it."""
        content = self._phone.files.read(shell.path(arguments[0]))
        try:
            program = self._prepared(content)
        except NotAndroid as error:
            pipes.complain(f"sh: {arguments[0]}: not executable: {error}")
            return _NOT_EXECUTABLE
        self._mirror.send()
        self._phone.enter(_PHASE)
        child = self._start(shell, program, arguments)
        try:
            return self._finish(child, shell, pipes)
        finally:
            with self._lock:
                self._running.discard(child)
            self._mirror.fetch()

    def stop(self) -> None:
        """Kill what runs, and start nothing more."""
        with self._lock:
            self._stopped = True
            for child in self._running:
                _signal(child, signal.SIGKILL)
                child.wait()

    def _prepared(self, content: bytes) -> Path:
        path = self._programs / hashlib.sha256(content).hexdigest()[:16]
        if not path.exists():
            path.write_bytes(for_glibc(content))
        return path

    def _start(self, shell: Shell, program: Path, arguments: list[str]) -> subprocess.Popen[bytes]:
        properties = "".join(f"{name}={value}\n" for name, value in self._phone.properties.items())
        (self._root / "system" / "build.prop").write_text(properties, encoding="utf-8")  # for bionic.c
        with self._lock:
            if self._stopped:
                raise Ended(128 + signal.SIGKILL)
            child = subprocess.Popen(
                self._toolchain.command(program, arguments[0], arguments[1:]),
                cwd=self._mirror.path(shell.folder),
                env={**_ENVIRONMENT, **shell.variables, "EVIT_NAS_PHONE_ROOT": str(self._root)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            self._running.add(child)
        with suppress(OSError):
            resource.prlimit(child.pid, resource.RLIMIT_CORE, (0, 0))
        return child

    def _finish(self, child: subprocess.Popen[bytes], shell: Shell, pipes: Pipes) -> int:
        """The exit code, once the program has ended and all that it said is passed on."""
        held = bytearray()
        spoilt = any(self._phone.faulty(name, _PHASE) for name in ("truncated-output", "garbage-bytes"))
        with child, selectors.DefaultSelector() as selector:
            assert child.stdout is not None
            assert child.stderr is not None
            selector.register(child.stdout, selectors.EVENT_READ, held.extend if spoilt else pipes.out)
            selector.register(child.stderr, selectors.EVENT_READ, pipes.err)
            try:
                while _pass_on(selector):
                    self._spend(shell)
                code = child.wait()
            except BaseException as error:  # whatever it is, nothing is left running
                _end(child, _SIGNALS.get(error.code, signal.SIGKILL) if isinstance(error, Ended) else signal.SIGHUP)
                raise
        if spoilt:
            pipes.out(spoil(self._phone, bytes(held), _PHASE))
        if code < 0:
            raise Ended(128 - code)
        return code

    def _spend(self, shell: Shell) -> None:
        """A moment of this machine's time is the phone's too. Raises Ended: killed, out of time, or a fault."""
        phone, process = self._phone, shell.process
        if phone.clock.time_scale == 0:
            time.sleep(_LOOK_S)
        phone.spend(process, _LOOK_S / (phone.clock.time_scale or 1.0), _PHASE, busy=True)
        if phone.faulty("hang", _PHASE):
            phone.hang(process)
        for code in (139, 137):
            if phone.faulty(f"crash-{code}", _PHASE):
                raise Ended(code)


def _pass_on(selector: selectors.BaseSelector) -> bool:
    """Pass on what has been said by now; whether there may be more."""
    for key, _ in selector.select(0):
        data, write = os.read(key.fd, _READ_BYTES), key.data
        if data:
            write(data)
        else:
            selector.unregister(key.fileobj)
    return bool(selector.get_map())


def _end(child: subprocess.Popen[bytes], number: int) -> None:
    """Send the signal, and SIGKILL where that does not help."""
    _signal(child, number)
    try:
        child.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        _signal(child, signal.SIGKILL)
        child.wait()


def _signal(child: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, number)
