"""Commands run in this process, with a workflow of the test's own in place of the real one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest

from evit_nas.cli.main import run


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


Command = Callable[[Sequence[str]], Done]
Stand = Callable[[str, str, Callable[..., Any]], None]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run one command line and collect its exit code and what it printed."""

    def call(argv: Sequence[str]) -> Done:
        code = run(argv)
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return call


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Stand:
    """Put `function` in place of evit_nas.workflows.<module>.<name>."""

    def install(module: str, name: str, function: Callable[..., Any]) -> None:
        fake = ModuleType(f"evit_nas.workflows.{module}")
        setattr(fake, name, function)
        monkeypatch.setitem(sys.modules, fake.__name__, fake)

    return install
