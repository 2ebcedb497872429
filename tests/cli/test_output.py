"""Results on stdout, the rest on stderr; a closed pipe is no error."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from evit_nas.cli import output
from evit_nas.workflows.results import ReportResult


def test_json_is_one_document_with_absolute_paths(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    output.show(ReportResult(files=(Path("report.html"),)), as_json=True, human=lambda result: [])
    assert json.loads(capsys.readouterr().out) == {"files": [str(tmp_path / "report.html")]}


def test_text_is_not_wrapped_or_marked_up(capsys: pytest.CaptureFixture[str]) -> None:
    line = "[bold]" + "x" * 400
    output.show(ReportResult(files=()), as_json=False, human=lambda result: [line])
    assert capsys.readouterr().out == line + "\n"


def test_table_cells_are_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("a" * 60, None), ("b" * 200, 3)]
    output.show(ReportResult(files=()), as_json=False, human=lambda result: [output.table("", ("x", "y"), rows)])
    printed = capsys.readouterr().out
    assert printed.count("a") == 60
    assert printed.count("b") == 200


def test_a_reader_that_has_gone_is_no_error() -> None:
    program = (
        "import sys; from evit_nas.cli import output; from evit_nas.workflows.results import ReportResult;"
        "sys.stdin.read(); output.show(ReportResult(files=()), as_json=False, human=lambda r: ['x' * 99])"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.close()
    _, err = child.communicate(b"")
    assert child.returncode == 0
    assert err == b""
