"""adb's file service (AOSP packages/modules/adb/SYNC.TXT): stat, list, send and receive, old and v2 forms."""

from __future__ import annotations

import errno
import os
import struct

from evit_nas.fakephone.filesystem import FileError, FileSystem, Node, normal
from evit_nas.fakephone.phone import Phone
from evit_nas.fakephone.process import Process
from evit_nas.fakephone.stream import Stream

_STAT2 = struct.Struct("<4sIQQIIIIQqqq")
_LIST2 = struct.Struct("<4sIQQIIIIQqqqI")
_DATA_BYTES = 64 << 10


class SyncService:
    """One `sync:` stream."""

    def __init__(self, phone: Phone, stream: Stream, process: Process) -> None:
        self._phone, self._stream, self._process = phone, stream, process
        self._files: FileSystem = phone.files

    def run(self) -> None:
        """Answer requests until the host quits. Raises EOFError where it goes away."""
        while True:
            request, size = self._head()
            if request == b"QUIT":
                return
            path = self._stream.read(size).decode("utf-8", errors="replace")
            match request:
                case b"STAT":
                    self._stat(normal(path))
                case b"STA2" | b"LST2":
                    self._stream.write(self._stat2(request, normal(path)))
                case b"LIST" | b"LIS2":
                    self._list(request, normal(path))
                case b"SEND":
                    self._receive_file(path)
                case b"RECV":
                    self._send_file(normal(path))
                case _:
                    self._fail(f"unknown sync command {request!r}")
                    return

    def _head(self) -> tuple[bytes, int]:
        name, size = struct.unpack("<4sI", self._stream.read(8))
        return name, size

    def _node(self, path: str) -> tuple[Node | None, int]:
        try:
            return self._files.node(path), 0
        except FileError as error:
            return None, error.number

    def _stat(self, path: str) -> None:
        node, _ = self._node(path)
        facts = (0, 0, 0) if node is None else (node.mode, node.size_bytes, int(node.mtime_s))
        self._stream.write(struct.pack("<4s3I", b"STAT", *facts))

    def _stat2(self, request: bytes, path: str) -> bytes:
        node, error = self._node(path)
        return _STAT2.pack(request, error, *_facts2(node, path))

    def _list(self, request: bytes, path: str) -> None:
        for name in self._names(path):
            child, encoded = normal(name, path), name.encode()
            node, _ = self._node(child)
            if node is None:
                continue
            if request == b"LIST":
                entry = struct.pack("<4s4I", b"DENT", node.mode, node.size_bytes, int(node.mtime_s), len(encoded))
            else:
                entry = _LIST2.pack(b"DNT2", 0, *_facts2(node, child), len(encoded))
            self._stream.write(entry + encoded)
        end = struct.pack("<4s4I", b"DONE", 0, 0, 0, 0)
        self._stream.write(end if request == b"LIST" else _LIST2.pack(b"DONE", *(0,) * 12))

    def _names(self, path: str) -> list[str]:
        try:
            return self._files.names(path)
        except FileError:
            return []

    def _receive_file(self, argument: str) -> None:
        name, _, mode = argument.rpartition(",")
        path = normal(name)
        self._phone.enter("push")
        failure = self._start_file(path)
        content = bytearray()
        while True:
            request, size = self._head()
            if request == b"DONE":
                break
            content += self._stream.read(size)
            self._phone.transfer(self._process, size, "push")
            if not failure and self._phone.disk_full():
                failure = f"write failed: {os.strerror(errno.ENOSPC)}"
        if not failure:
            failure = self._finish_file(path, bytes(content), int(mode or "0"), float(size))
        if failure:
            self._fail(failure)
        else:
            self._stream.write(struct.pack("<4sI", b"OKAY", 0))

    def _start_file(self, path: str) -> str:
        """Why nothing can be written at `path`, empty where it can."""
        try:
            self._files.check_writable(path)
            self._files.make_folder(path.rpartition("/")[0], parents=True)
        except FileError as error:
            return f"couldn't create file: {error}"
        return ""

    def _finish_file(self, path: str, content: bytes, mode: int, mtime_s: float) -> str:
        if content and self._phone.faulty("corrupt-push", "push"):
            middle = len(content) // 2
            content = content[:middle] + bytes([content[middle] ^ 0x40]) + content[middle + 1 :]
        try:
            self._files.write(path, content, mode, mtime_s)
        except FileError as error:
            return f"write failed: {error}"
        return ""

    def _send_file(self, path: str) -> None:
        try:
            content = self._files.read(path)
        except FileError as error:
            self._fail(f"open failed: {error}")
            return
        for start in range(0, len(content), _DATA_BYTES):
            piece = content[start : start + _DATA_BYTES]
            self._phone.transfer(self._process, len(piece), "push")
            self._stream.write(struct.pack("<4sI", b"DATA", len(piece)) + piece)
        self._stream.write(struct.pack("<4sI", b"DONE", 0))

    def _fail(self, reason: str) -> None:
        encoded = reason.encode()
        self._stream.write(struct.pack("<4sI", b"FAIL", len(encoded)) + encoded)


def _facts2(node: Node | None, path: str) -> tuple[int, ...]:
    """device, inode, mode, links, uid, gid, size, three times."""
    if node is None:
        return (0,) * 10
    time_s = int(node.mtime_s)
    inode = hash(path) & 0x7FFFFFFF
    return 1, inode, node.mode, 1, 2000, 2000, node.size_bytes, time_s, time_s, time_s
