"""One host's connection: handshake, authorisation, and the streams that it opens."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from evit_nas.fakephone.phone import Phone
from evit_nas.fakephone.stream import Stream
from evit_nas.fakephone.wire import (
    AUTH,
    AUTH_PUBLIC_KEY,
    AUTH_TOKEN,
    CLSE,
    CNXN,
    MAX_PAYLOAD_BYTES,
    OKAY,
    OPEN,
    VERSION,
    WRTE,
    BadPacket,
    Packet,
    encode,
    receive,
)

Serve = Callable[[Stream, str], None]
_BASE_FEATURES = ("cmd", "stat_v2", "ls_v2", "fixed_push_mkdir")


class Link(threading.Thread):
    """Reads packets until the host or the cable goes. `serve` runs each service in a thread of its own."""

    def __init__(self, phone: Phone, connection: socket.socket, serve: Serve) -> None:
        super().__init__(daemon=True, name="link")
        self._phone, self._connection, self._serve = phone, connection, serve
        self._write_lock = threading.Lock()
        self._streams: dict[int, Stream] = {}
        self._next_stream = 1
        self._max_payload_bytes = 4096
        self._greeted = False  # the host has said hello
        self._accepted = False  # the phone has answered it
        self.dropped = threading.Event()

    def run(self) -> None:
        try:
            while not self.dropped.is_set():
                self._handle(receive(self._connection))
        except (EOFError, OSError, BadPacket):
            pass
        finally:
            self.drop()

    def drop(self) -> None:
        """The cable is out: every stream ends, the socket closes."""
        self.dropped.set()
        for stream in list(self._streams.values()):
            stream.hang_up()
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def settle(self) -> None:
        """Answer a waiting host once nothing speaks against it any more."""
        if self._greeted and not self._accepted and self._phone.link_fault() is None:
            self._accept()

    def _send(self, packet: Packet) -> None:
        if self.dropped.is_set():
            return
        try:
            with self._write_lock:
                self._connection.sendall(encode(packet))
        except OSError:
            self.drop()

    def _handle(self, packet: Packet) -> None:
        command, arg0, arg1, payload = packet
        stream = self._streams.get(arg1)
        if command == CNXN:
            self._max_payload_bytes = min(arg1, MAX_PAYLOAD_BYTES)
            self._greet()
        elif command == AUTH:
            if arg0 != AUTH_PUBLIC_KEY and not self._accepted:  # a signature: of a key that nobody has accepted yet
                self._send(Packet(AUTH, AUTH_TOKEN, 0, os.urandom(20)))
        elif command == OPEN and self._accepted:
            self._open(arg0, payload.rstrip(b"\0").decode("utf-8", errors="replace"))
        elif command == WRTE and stream is not None:
            stream.feed(payload)
            self._send(Packet(OKAY, stream.local, stream.remote))
        elif command == WRTE:
            self._send(Packet(CLSE, 0, arg0))
        elif command == OKAY and stream is not None:
            stream.acknowledge()
        elif command == CLSE and stream is not None:
            del self._streams[arg1]
            stream.hang_up()

    def _greet(self) -> None:
        self._greeted = True
        fault = self._phone.link_fault()
        if fault == "unauthorised":
            self._send(Packet(AUTH, AUTH_TOKEN, 0, os.urandom(20)))
        elif fault is None:
            self._accept()

    def _accept(self) -> None:
        self._accepted = True
        features = list(_BASE_FEATURES)
        if not self._phone.faulty("no-shell-v2"):
            features.insert(0, "shell_v2")
        properties = self._phone.properties
        names = ("ro.product.name", "ro.product.model", "ro.product.device")
        banner = "device::" + "".join(f"{name}={properties[name]};" for name in names)
        self._send(Packet(CNXN, VERSION, MAX_PAYLOAD_BYTES, f"{banner}features={','.join(features)}".encode()))

    def _open(self, remote: int, service: str) -> None:
        stream = Stream(self._send, self._next_stream, remote, self._max_payload_bytes)
        self._streams[stream.local] = stream
        self._next_stream += 1
        self._send(Packet(OKAY, stream.local, remote))
        threading.Thread(target=self._run_service, args=(stream, service), daemon=True, name=service[:40]).start()

    def _run_service(self, stream: Stream, service: str) -> None:
        try:
            self._serve(stream, service)
        except EOFError:
            pass
        finally:
            stream.close()
            self._streams.pop(stream.local, None)
