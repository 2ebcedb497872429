"""The device side of adb on a loopback port: accepts hosts and runs the services that they open."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Mapping

from evit_nas.errors import InputError
from evit_nas.fakephone.link import Link
from evit_nas.fakephone.phone import Phone
from evit_nas.fakephone.process import Ended
from evit_nas.fakephone.program import Program
from evit_nas.fakephone.programs import PROGRAMS, TOOLS
from evit_nas.fakephone.shell_service import serve_shell
from evit_nas.fakephone.stream import Stream
from evit_nas.fakephone.sync import SyncService

_TICK_S = 0.02


class Daemon:
    """Listens from `start` to `stop`. Only loopback: anyone who can connect may run the phone's commands."""

    def __init__(self, phone: Phone, port: int = 0, tools: Mapping[str, Program] = TOOLS) -> None:
        self._phone, self._wanted_port, self._tools = phone, port, tools
        self._listener: socket.socket | None = None
        self._links: list[Link] = []
        self._stopped = threading.Event()
        phone.on_link_fault = self.drop_links
        self.port = 0

    @property
    def address(self) -> str:
        """What `adb connect` takes."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Raises InputError where the port is taken."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", self._wanted_port))
        except (OSError, OverflowError) as error:
            listener.close()
            raise InputError(f"port {self._wanted_port}: {error}; choose another, or 0 for any free one") from None
        listener.listen(16)
        self._listener, self.port = listener, listener.getsockname()[1]
        self._phone.properties["ro.serialno"] = f"evitfake{self.port}"
        threading.Thread(target=self._accept, args=(listener,), daemon=True, name="accept").start()
        threading.Thread(target=self._tick, daemon=True, name="tick").start()

    def stop(self) -> None:
        self._stopped.set()
        if self._listener is not None:
            self._listener.close()
        self.drop_links()

    def drop_links(self) -> None:
        """Cut every connection, as a pulled cable does; what runs on the phone is hung up."""
        for link in list(self._links):
            link.drop()
        for process in self._phone.running():
            process.kill(1)

    def _accept(self, listener: socket.socket) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            if self._phone.faulty("unplugged"):
                connection.close()
                continue
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = Link(self._phone, connection, self._serve)
            self._links = [other for other in self._links if not other.dropped.is_set()] + [link]
            link.start()

    def _tick(self) -> None:
        last_s = time.monotonic()
        while not self._stopped.wait(_TICK_S):
            now_s = time.monotonic()
            self._phone.tick(now_s - last_s)
            last_s = now_s
            for link in list(self._links):
                link.settle()

    def _serve(self, stream: Stream, service: str) -> None:
        head, _, argument = service.partition(":")
        options = head.split(",")
        if options[0] in ("shell", "exec"):
            serve_shell(self._phone, stream, argument, PROGRAMS, self._tools, v2="v2" in options)
        elif head == "sync":
            self._sync(stream)
        elif head == "root":
            stream.write(b"adbd cannot run as root in production builds\n")
        elif head in ("remount", "disable-verity", "enable-verity", "unroot", "tcpip", "usb"):
            stream.write(f"{head}: not on this phone\n".encode())

    def _sync(self, stream: Stream) -> None:
        process = self._phone.start("adbd-sync")
        try:
            SyncService(self._phone, stream, process).run()
        except Ended as end:
            raise EOFError from end
        finally:
            self._phone.finish(process)
