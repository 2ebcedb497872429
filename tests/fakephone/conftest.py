"""A private adb server for the tests of a process, and a small model to run."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import adbutils
import pytest

from evit_nas.fakephone.cost_model import CostModel, KindCost


@dataclass(frozen=True)
class Adb:
    """The real client. Calls return text; `code` is the client's exit code."""

    program: str
    environment: dict[str, str]

    def __call__(self, *words: str, stdin: bytes = b"", timeout_s: float = 30) -> subprocess.CompletedProcess[str]:
        command = [self.program, *words]
        done = subprocess.run(
            command, env=self.environment, input=stdin, capture_output=True, timeout=timeout_s, check=False
        )
        out, err = (text.decode("utf-8", errors="replace") for text in (done.stdout, done.stderr))
        return subprocess.CompletedProcess(command, done.returncode, out, err)

    def connect(self, address: str) -> None:
        done = self("connect", address)
        assert done.stdout.startswith(("connected", "already")), done.stdout

    def shell(self, address: str, text: str, **options: float) -> subprocess.CompletedProcess[str]:
        return self("-s", address, "shell", text, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="session", params=["bundled", "system"])
def adb(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adb]:
    """The client that adbutils brings (36), and the one of the system where there is one (Debian 12: 29)."""
    bundled = str(Path(adbutils.__file__).parent / "binaries" / "adb")
    program = bundled if request.param == "bundled" else shutil.which("adb")
    if program is None:
        pytest.skip("no adb on this system; apt-get install adb to test with it too")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = tmp_path_factory.mktemp("adb")
    environment = {**os.environ, "HOME": str(home), "TMPDIR": str(home), "ANDROID_ADB_SERVER_PORT": str(port)}
    client = Adb(program, environment)
    if client("version").returncode:
        pytest.skip(f"{program} does not run on this machine")
    yield client
    client("kill-server")


@pytest.fixture(scope="session")
def plain_costs() -> CostModel:
    """Round costs, no noise: 10 us + 1 ns per MAC + 1 ns per byte for every kind."""
    from evit_nas.fakephone.cost_model import KINDS

    return CostModel(kinds={kind: KindCost(fixed_us=10.0, per_mac_ns=1.0, per_byte_ns=1.0) for kind in KINDS})


@pytest.fixture(scope="session")
def small_model() -> bytes:
    """One 1x1 convolution: 8x8 pixels, 16 channels to 32."""
    import numpy as np

    from evit_nas.graph.opgraph import Op, OpGraph, Tensor
    from evit_nas.tflite.writer import write

    tensors = {
        "x": Tensor("x", (1, 8, 8, 16)),
        "w": Tensor("w", (32, 1, 1, 16), data=np.ones((32, 1, 1, 16), np.float32)),
        "b": Tensor("b", (32,), data=np.ones(32, np.float32)),
        "y": Tensor("y", (1, 8, 8, 32)),
    }
    attrs = (("fused_activation", "RELU"), ("padding", "SAME"), ("stride_h", 1), ("stride_w", 1))
    return write(OpGraph(tensors, (Op("CONV_2D", ("x", "w", "b"), ("y",), attrs),), ("x",), ("y",)))
