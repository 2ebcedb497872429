"""An adb server and a home directory of the module's own: tests run side by side, and each sees its own phones only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from evit_nas.latency.profiler import protocol


@pytest.fixture(scope="module")
def own_adb_server(
    tmp_path_factory: pytest.TempPathFactory, adb_server: Callable[[Path], AbstractContextManager[None]]
) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, adb_server(tmp_path_factory.mktemp("home")):
        patch.setattr(protocol, "FRESH_LOOKS", 5)
        yield
