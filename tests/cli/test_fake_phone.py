"""`evit-nas fake-phone`: its one line, its end, and bad input."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from evit_nas.fakephone.faults import NAMES


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ready_line_then_until_stopped(number: int) -> None:
    command = [sys.executable, "-m", "evit_nas", "fake-phone", "--soc", "8gen1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert re.fullmatch(r"ready 127\.0\.0\.1:\d+\n", process.stdout.readline())
        process.send_signal(number)
        assert process.wait(10) == 0


def test_help_lists_the_faults(command: Any) -> None:
    text = command(["fake-phone", "--help"]).out
    assert all(name in text for name in NAMES)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--soc", "taro"], "three chips"),
        (["--soc", "sm1"], "not known"),
        (["--cost-model", "/nonexistent.json"], "cannot be read"),
        (["--faults", "/nonexistent.json"], "cannot be read"),
        (["--time-scale", "-1"], "time-scale"),
        (["--exec", "x86"], "arm64"),
        (["--exec", "arm64", "--cost-model", "cost.json"], "choose one"),
    ],
)
def test_bad_input_is_one_line(command: Any, options: list[str], words: str) -> None:
    done = command(["fake-phone", *options])
    assert done.code == 2
    assert words in done.err
    assert done.err.count("\n") == 1


def test_bad_cost_model_is_named(command: Any, tmp_path: Path) -> None:
    path = tmp_path / "cost.json"
    path.write_text("{}")
    done = command(["fake-phone", "--cost-model", str(path)])
    assert done.code == 2
    assert str(path) in done.err


def test_packages_that_arm64_lacks_are_named(command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = command(["fake-phone", "--exec", "arm64"])
    assert done.code == 2
    assert "apt-get install qemu-user-static" in done.err
    assert done.err.count("\n") == 1
