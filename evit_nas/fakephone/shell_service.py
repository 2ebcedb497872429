"""adb's shell service: frames of the v2 protocol (AOSP packages/modules/adb/shell_protocol.h) or raw bytes."""

from __future__ import annotations

import random
import struct
import threading
from collections.abc import Callable, Mapping

from evit_nas.fakephone.interpreter import Shell
from evit_nas.fakephone.phone import Phone
from evit_nas.fakephone.process import Ended, Process
from evit_nas.fakephone.program import Pipes, Program
from evit_nas.fakephone.stream import Stream

_STDIN, _STDOUT, _STDERR, _EXIT, _CLOSE_STDIN = 0, 1, 2, 3, 4
_HANGUP = 1
_FRAME = struct.Struct("<BI")


class _Input:
    """The host's side of stdin, gathered by a thread; its end without a reader left hangs the process up."""

    def __init__(self, stream: Stream, v2: bool, process: Process) -> None:
        self._stream, self._v2, self._process = stream, v2, process
        self._content = bytearray()
        self._closed = threading.Event()
        threading.Thread(target=self._gather, daemon=True).start()

    def read(self) -> bytes:
        """Everything, once the host has closed its end."""
        while not self._closed.wait(0.05):
            if self._process.killed.is_set():
                raise Ended(128 + self._process.signal)
        return bytes(self._content)

    def _gather(self) -> None:
        try:
            while True:
                if not self._v2:
                    piece = self._stream.read_some()
                    if not piece:
                        raise EOFError
                    self._content += piece
                    continue
                kind, size = _FRAME.unpack(self._stream.read(_FRAME.size))
                data = self._stream.read(size)
                if kind == _STDIN:
                    self._content += data
                elif kind == _CLOSE_STDIN:
                    self._closed.set()
        except EOFError:
            self._closed.set()
            self._process.kill(_HANGUP)  # the client went away


def serve_shell(
    phone: Phone, stream: Stream, text: str, programs: Mapping[str, Program], tools: Mapping[str, Program], v2: bool
) -> None:
    """Run one command line and send what it says. Raises EOFError where the host goes away."""
    process = phone.start("sh")
    source = _Input(stream, v2, process)

    def frame(kind: int) -> Callable[[bytes], None]:
        def write(data: bytes) -> None:
            if data:
                process.check(phone.clock.now_s())
                stream.write(_FRAME.pack(kind, len(data)) + data if v2 else data)

        return write

    out = frame(_STDOUT)
    pipes = Pipes(source.read, out, frame(_STDERR) if v2 else out)
    shell = Shell(phone, process, programs, tools)
    try:
        code = _run(phone, shell, process, text, pipes)
    finally:
        phone.finish(process)
    if v2:
        stream.write(_FRAME.pack(_EXIT, 1) + bytes([code & 255]))


def _run(phone: Phone, shell: Shell, process: Process, text: str, pipes: Pipes) -> int:
    """The exit code, with the faults of the shell phase applied."""
    try:
        phone.command(process)
        if phone.faulty("hang", "shell") and not _is_benchmark(text):
            phone.hang(process)
        for code in (139, 137):
            if phone.faulty(f"crash-{code}", "shell") and not _is_benchmark(text):
                return code
        if _is_benchmark(text):
            return shell.run(text, pipes)
        return _spoilt(phone, shell, text, pipes)
    except Ended as end:
        return end.code


def _is_benchmark(text: str) -> bool:
    """Whether the command line runs the tool: then the faults of the run phase are the tool's own."""
    return "benchmark_model" in text and "--graph" in text


def _spoilt(phone: Phone, shell: Shell, text: str, pipes: Pipes) -> int:
    if not phone.faulty("truncated-output", "shell") and not phone.faulty("garbage-bytes", "shell"):
        return shell.run(text, pipes)
    output = bytearray()
    code = shell.run(text, Pipes(pipes.read, output.extend, pipes.err))
    pipes.out(spoil(phone, bytes(output), "shell"))
    return code


def spoil(phone: Phone, output: bytes, phase: str) -> bytes:
    """`output` as the faults `truncated-output` and `garbage-bytes` of that phase leave it."""
    if phone.faulty("truncated-output", phase):
        output = output[: len(output) // 2]
    if phone.faulty("garbage-bytes", phase):
        generator = random.Random(len(output))
        places = sorted(generator.randrange(len(output) + 1) for _ in range(4))
        pieces = [output[a:b] for a, b in zip([0, *places], [*places, len(output)], strict=True)]
        output = b"\xff\x00\xfe\x80".join(pieces)
    return output
