"""One service of a connection as a pipe of bytes; adb allows one unacknowledged packet per stream."""

from __future__ import annotations

import threading
from collections.abc import Callable

from evit_nas.fakephone.wire import CLSE, WRTE, Packet

Send = Callable[[Packet], None]


class Stream:
    """`local` is the phone's number of the stream, `remote` the host's."""

    def __init__(self, send: Send, local: int, remote: int, max_payload_bytes: int) -> None:
        self.local, self.remote = local, remote
        self._send, self._max_payload_bytes = send, max_payload_bytes
        self._buffer = bytearray()
        self._changed = threading.Condition()
        self._acknowledged = True
        self.ended = threading.Event()  # the host closed the stream, or the link is gone

    def feed(self, data: bytes) -> None:
        with self._changed:
            self._buffer += data
            self._changed.notify_all()

    def acknowledge(self) -> None:
        with self._changed:
            self._acknowledged = True
            self._changed.notify_all()

    def hang_up(self) -> None:
        with self._changed:
            self.ended.set()
            self._changed.notify_all()

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes. Raises EOFError where the host ends before."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._buffer) >= size or self.ended.is_set())
            if len(self._buffer) < size:
                raise EOFError
            return self._take(size)

    def read_some(self) -> bytes:
        """What has come, at least one byte; empty at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._buffer or self.ended.is_set())
            return self._take(len(self._buffer))

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def write(self, data: bytes) -> None:
        """Send all of it. Raises EOFError where the host has closed the stream."""
        for start in range(0, len(data), self._max_payload_bytes):
            with self._changed:
                self._changed.wait_for(lambda: self._acknowledged or self.ended.is_set())
                if self.ended.is_set():
                    raise EOFError
                self._acknowledged = False
            self._send(Packet(WRTE, self.local, self.remote, data[start : start + self._max_payload_bytes]))

    def close(self) -> None:
        """Tell the host that the service has ended, once all it sent is acknowledged."""
        with self._changed:
            self._changed.wait_for(lambda: self._acknowledged or self.ended.is_set())
        self._send(Packet(CLSE, self.local, self.remote))
