"""Every error is one line and one exit code; `--help` stays light."""

from __future__ import annotations

import errno
import subprocess
import sys
from typing import Any

import pytest
from typer.main import get_command

from evit_nas.cli.main import app
from evit_nas.errors import CheckFailed, CheckpointError, DeviceError, EvitNasError, Infeasible, InputError

COMMANDS = {"devices", "tables", "space", "arch", "profile", "predict", "measure", "search", "report", "export"}
COMMANDS |= {"train", "evaluate"}
WITHOUT_JSON = {"fake-phone", "data", "supernet"}  # one runs until stopped, the others only group commands
COMMANDS |= WITHOUT_JSON
HEAVY = ("torch", "tensorflow", "optuna", "pandas", "sklearn", "matplotlib", "numpy", "scipy", "onnx", "jinja2", "yaml")


def raising(error: BaseException) -> Any:
    def workflow(**options: object) -> None:
        raise error

    return workflow


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("bad\ninput"), 2),
        (CheckpointError("key 'stem' is missing"), 2),
        (CheckFailed("parity"), 1),
        (Infeasible("the fastest member takes 9.3 ms"), 3),
        (DeviceError("no device"), 4),
        (EvitNasError("other"), 2),
        (KeyboardInterrupt(), 130),
        (OSError(errno.ENOSPC, "No space left on device", "/full/x.csv"), 2),
        (PermissionError(errno.EACCES, "Permission denied", "/root/x"), 2),
        (ZeroDivisionError("division by zero"), 70),
        (RecursionError("too deep"), 70),
    ],
)
def test_an_error_is_one_line_and_its_code(command: Any, stand_in: Any, error: BaseException, code: int) -> None:
    stand_in("predict", "predict", raising(error))
    done = command(["predict", "b0", "--resolution", "512x1024"])
    assert done.code == code
    assert done.out == ""
    assert len(done.err.splitlines()) <= 1
    assert "Traceback" not in done.err


def test_a_full_disk_names_the_file_and_the_remedy(command: Any, stand_in: Any) -> None:
    stand_in("report", "report", raising(OSError(errno.ENOSPC, "No space left on device", "/full/x.csv")))
    done = command(["report", "runs/a"])
    assert "/full/x.csv" in done.err
    assert "free some space" in done.err


def test_the_traceback_can_be_asked_for(command: Any, stand_in: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVIT_NAS_DEBUG", "1")
    stand_in("report", "report", raising(ZeroDivisionError("division by zero")))
    assert "Traceback" in command(["report", "runs/a"]).err


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["serch"], "No such command 'serch'"),
        (["arch"], "Missing argument 'ARCH'"),
        (["predict", "b0", "--devise", "host"], "--devise"),
        (["predict", "b0", "--threads", "0"], "--threads"),
        (["predict", "b0", "--threads", "two"], "--threads"),
        (["predict", "b0", "--lowering", "theirs"], "--lowering"),
        (["measure", "b0"], "--device"),
        (["search", "--budget", "200ms", "--trials", "0"], "--trials"),
        (["search"], "--budget is missing"),
        (["space", "efficientvit-seg", "--sample", "-1"], "--sample"),
        (["tables", "nonsense"], "nonsense"),
        (["data"], "a command is missing"),
        (["export", "b0", "--out", "x", "--format", "tflite,coreml"], "unknown 'coreml'"),
    ],
)
def test_bad_usage_is_one_line_with_code_2(command: Any, argv: list[str], part: str) -> None:
    done = command(argv)
    assert done.code == 2
    assert part in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("budget", ["200", "-5ms", "0ms", "nan ms", "inf s", "200 parsecs", "", "ms", "1e999s"])
def test_a_budget_says_what_is_wrong(command: Any, budget: str) -> None:
    done = command(["search", "--budget", budget])
    assert done.code == 2
    assert len(done.err.splitlines()) == 1
    assert "--budget" in done.err


def test_help_lists_the_commands_and_imports_nothing_heavy() -> None:
    program = (
        "import sys; from evit_nas.cli.main import run; code = run(['--help']);"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert all(name in done.stdout for name in COMMANDS)


def test_no_arguments_print_the_help(command: Any) -> None:
    done = command([])
    assert done.code == 0
    assert "Usage: evit-nas" in done.out


def test_version(command: Any) -> None:
    assert command(["--version"]).out.startswith("evit-nas 0.")


def test_every_command_takes_json() -> None:
    root: Any = get_command(app)
    assert set(root.commands) == COMMANDS
    groups = [command for command in root.commands.values() if hasattr(command, "commands")]
    leaves = [*root.commands.values(), *(leaf for group in groups for leaf in group.commands.values())]
    assert {leaf.name for leaf in leaves if "--json" not in {o for p in leaf.params for o in p.opts}} == WITHOUT_JSON


def test_python_m_is_the_same_command() -> None:
    done = subprocess.run([sys.executable, "-m", "evit_nas", "serch"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("evit-nas: No such command")
