"""An adb server and a home directory of the module's own: tests run side by side, and each sees its own phones only."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from evit_nas.latency.profiler import protocol
from evit_nas.latency.profiler.devices.adb import run_adb


@pytest.fixture(scope="module")
def own_adb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("XDG_STATE_HOME", raising=False)
        patch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
        patch.setattr(protocol, "FRESH_LOOKS", 5)
        yield
        run_adb(["kill-server"])
