"""A fake phone in a process of its own, until it is told to stop."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

from evit_nas.errors import InputError
from evit_nas.fakephone.arm64.toolchain import toolchain
from evit_nas.fakephone.cost_model import DEFAULT, read_cost_model
from evit_nas.fakephone.faults import read_faults
from evit_nas.fakephone.testing import fake_phone


def serve(*, soc: str, port: int, cost_model: Path | None, faults: Path | None, time_scale: float, arm64: bool) -> None:
    """Print `ready ADDRESS` once it listens; return on SIGINT or SIGTERM.

    `arm64`: run programs that are pushed under qemu-user. Raises InputError.
    """
    if arm64 and cost_model is not None:
        raise InputError("--cost-model and --exec arm64: choose one; programs that really run have times of their own")
    model = DEFAULT if cost_model is None else read_cost_model(cost_model)
    windows = () if faults is None else read_faults(faults)
    tools = toolchain() if arm64 else None
    stopped = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda number, frame: stopped.set())
    with fake_phone(soc, cost_model=model, faults=windows, time_scale=time_scale, port=port, arm64=tools) as phone:
        print(f"ready {phone.address}", flush=True)
        stopped.wait()
