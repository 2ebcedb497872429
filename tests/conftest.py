"""No test sees the phones of whoever runs it: each session has an adb server of its own, started if it is asked for.

Tests that connect phones take one for themselves with `adb_server`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def _no_foreign_phones() -> Iterator[None]:
    from evit_nas.latency.profiler.devices.adb import run_adb

    port = _free_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
        yield
        with suppress(OSError):  # refused where no test started one
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            run_adb(["kill-server"])


@pytest.fixture(scope="session")
def adb_server() -> Callable[[Path], AbstractContextManager[None]]:
    """Gives, for a home folder, an adb server that knows no phone yet and is gone afterwards."""
    return _adb_server


@contextmanager
def _adb_server(home: Path) -> Iterator[None]:
    from evit_nas.latency.profiler.devices.adb import run_adb

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.delenv("XDG_STATE_HOME", raising=False)
        patch.setenv("ANDROID_ADB_SERVER_PORT", str(_free_port()))
        yield
        run_adb(["kill-server"])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
