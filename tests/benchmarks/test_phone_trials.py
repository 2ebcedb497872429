"""One trial each of benchmarks/phone_faults.py and phone_kills.py, by the command that a user would type."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
pytestmark = pytest.mark.slow


def figures(script: str, *options: str) -> dict[str, int]:
    command = [sys.executable, str(BENCHMARKS / script), *options]
    found: dict[str, int] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=900).stdout)
    return found


def test_faults_end_right_or_with_exit_4(tmp_path: Path) -> None:
    from phone_faults import COUNTS

    log = tmp_path / "trials.jsonl"
    found = figures("phone_faults.py", "--pairs", "0", "--only", "no-taskset", "--log", str(log))
    assert found["trials"] == len(log.read_text().splitlines()) == found["ended_right"] + found["exit_4"]
    assert found["exit_4"] > 0
    assert {kind: found[kind] for kind in COUNTS} == dict.fromkeys(COUNTS, 0)
    again = figures("phone_faults.py", "--pairs", "0", "--only", "no-taskset", "--log", str(log))
    assert again == found  # read back from the log


def test_killed_profiles_lose_nothing() -> None:
    found = figures("phone_kills.py", "--kills", "3")
    assert found["settings_back"]
    assert found["rows"] > 0
    lost = ("rows_lost", "rows_twice", "networks_twice", "settings_unknown", "last_exit")
    assert {name: found[name] for name in lost} == dict.fromkeys(lost, 0)
