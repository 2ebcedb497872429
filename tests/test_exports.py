"""The Python API: its names are the verbs, each is the workflow, and the command has the same defaults."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import evit_nas
from evit_nas.cli.main import app

VERBS = (
    "devices", "tables", "tables_diff", "tables_validate", "tables_merge", "tables_calibrate",
    "space", "arch", "profile", "predict", "measure", "search", "report", "export",
    "data_check", "train", "evaluate", "supernet_train", "supernet_evaluate", "supernet_extract",
    "supernet_score",
)  # fmt: skip
# Options whose Python form differs from the text on the command line.
OTHER_NAMES = {"budget": "budget_ms", "output_kind": "output"}
NOT_IN_PYTHON = {"json", "help"}
SERVERS = {"fake-phone"}  # run until stopped: in Python they are context managers (evit_nas.fakephone.testing)
WRITTEN_OTHERWISE = {("export", "formats"), ("tables_calibrate", "tables")}


def commands() -> Iterator[tuple[str, Any]]:
    """Verb and click command, `tables diff` as tables_diff. A group that does nothing by itself is no verb."""
    root: Any = get_command(app)
    for name, command in root.commands.items():
        if name in SERVERS:
            continue
        if getattr(command, "invoke_without_command", True):
            yield name, command
        for sub, leaf in getattr(command, "commands", {}).items():
            yield f"{name}_{sub}", leaf


def test_public_names_are_the_verbs() -> None:
    assert tuple(evit_nas.__all__) == VERBS
    assert {name for name, _ in commands()} == set(VERBS)
    assert set(VERBS) <= set(dir(evit_nas))


@pytest.mark.parametrize("name", VERBS)
def test_each_verb_is_a_documented_function_with_a_typed_result(name: str) -> None:
    verb = getattr(evit_nas, name)
    signature = inspect.signature(verb)
    assert callable(verb)
    assert str(signature.return_annotation).endswith("Result")
    module = import_module(f"evit_nas.workflows.{evit_nas._VERBS[name]}")
    assert getattr(module, name).__doc__


@pytest.mark.parametrize(("name", "command"), list(commands()), ids=[name for name, _ in commands()])
def test_command_and_function_have_the_same_options_and_defaults(name: str, command: Any) -> None:
    parameters = inspect.signature(getattr(evit_nas, name)).parameters
    for option in command.params:
        python_name = OTHER_NAMES.get(option.name, option.name)
        if option.name in NOT_IN_PYTHON or (name, option.name) in WRITTEN_OTHERWISE:
            continue
        assert python_name in parameters, f"{name}: {option.name}"
        default = parameters[python_name].default
        if default is not inspect.Parameter.empty and not option.required:
            assert (option.default or None) == (default or None), f"{name}: {option.name}"


def test_a_room_keeps_its_modules_and_is_still_the_verb() -> None:
    import evit_nas.report.manifest
    import evit_nas.space.arch

    assert evit_nas.space.arch.named_arch("b0").head_dim == 16
    assert evit_nas.report.manifest.SCHEMA == 1
    assert evit_nas.report.__signature__ == inspect.signature(import_module("evit_nas.workflows.report").report)


def test_calling_a_room_calls_its_verb(tmp_path: Path) -> None:
    with pytest.raises(evit_nas.errors.InputError, match="run folder"):
        evit_nas.report(tmp_path)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'serch'"):
        evit_nas.serch  # noqa: B018


def test_import_is_light() -> None:
    program = (
        "import sys, evit_nas; print([m for m in ('numpy', 'torch', 'yaml', 'typer', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
