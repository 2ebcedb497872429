"""A fake phone in this process, for tests and for what drives a phone in Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from evit_nas.fakephone.arm64.emulator import emulating
from evit_nas.fakephone.arm64.toolchain import Toolchain
from evit_nas.fakephone.benchmark.tool import PROGRAM_FILE
from evit_nas.fakephone.cost_model import DEFAULT, CostModel
from evit_nas.fakephone.daemon import Daemon
from evit_nas.fakephone.faults import Fault
from evit_nas.fakephone.phone import Phone
from evit_nas.fakephone.program import Program
from evit_nas.fakephone.programs import TOOLS
from evit_nas.fakephone.properties import TOOL_PATH
from evit_nas.soc.registry import resolve


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningPhone:
    """`address` is what `adb connect` takes; `phone` is the state behind it, to look at and to change."""

    address: str
    port: int
    phone: Phone
    daemon: Daemon


@contextmanager
def fake_phone(
    soc: str = "sm8450",
    *,
    cost_model: CostModel = DEFAULT,
    faults: Sequence[Fault] = (),
    time_scale: float = 0.0,
    port: int = 0,
    build: str = "1",
    tools: Mapping[str, Program] = TOOLS,
    arm64: Toolchain | None = None,
) -> Iterator[RunningPhone]:
    """A phone that listens until the block ends. Raises InputError: an unknown SoC, a port that is taken.

    `build` is part of its build fingerprint: another one is another build of Android on the same phone.
    `tools`: other programs under the name of its benchmark_model (`benchmark.dialects`).
    `arm64`: what runs programs that are pushed to it; then it carries no benchmark_model of its own.
    """
    phone = Phone(resolve(soc), cost_model, faults, time_scale, build)
    daemon = Daemon(phone, port, tools)
    with ExitStack() as stack:
        if arm64 is None:
            phone.files.install(TOOL_PATH, PROGRAM_FILE)
        else:
            stack.enter_context(emulating(phone, arm64))
        daemon.start()
        stack.callback(daemon.stop)
        yield RunningPhone(address=daemon.address, port=daemon.port, phone=phone, daemon=daemon)
