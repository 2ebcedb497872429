"""No test sees the phones of whoever runs it: each session has an adb server of its own, started if it is asked for."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest


@pytest.fixture(scope="session", autouse=True)
def _no_foreign_phones() -> Iterator[None]:
    from evit_nas.latency.profiler.devices.adb import run_adb

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
        yield
        with suppress(OSError):  # refused where no test started one
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            run_adb(["kill-server"])
