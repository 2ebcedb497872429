"""Nothing is timed beside a training, and nothing trains beside a timing."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from evit_nas.errors import DeviceError
from evit_nas.latency.profiler.lock import machine_lock

HOLD = """
    import sys, time
    from pathlib import Path
    from evit_nas.latency.profiler.lock import machine_lock
    with machine_lock(sys.argv[1], path=Path(sys.argv[2])):
        print("held", flush=True)
        time.sleep(60)
"""


def holder(mode: str, path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(HOLD), mode, str(path)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


@pytest.mark.parametrize(("held", "wanted"), [("timing", "timing"), ("timing", "training"), ("training", "timing")])
def test_modes_that_exclude_each_other(tmp_path: Path, held: str, wanted: str) -> None:
    path = tmp_path / "lock"
    child = holder(held, path)
    notes: list[str] = []
    try:
        with (
            pytest.raises(DeviceError, match=r"has held this machine for 0\.2 s"),
            machine_lock(wanted, path=path, note=notes.append, timeout_s=0.2),  # type: ignore[arg-type]
        ):
            pass
    finally:
        child.kill()
        child.wait()
    assert len(notes) == 1
    with machine_lock("timing", path=path, timeout_s=5):  # the lock died with its process
        pass


def test_trainings_run_beside_each_other(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    child = holder("training", path)
    try:
        with machine_lock("training", path=path, timeout_s=5):
            pass
    finally:
        child.kill()
        child.wait()


def test_waiting_for_timing_stops_new_training_steps(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    order: list[str] = []

    def timing() -> None:
        with machine_lock("timing", path=path):
            order.append("timing")

    with machine_lock("training", path=path):
        waiting = threading.Thread(target=timing)
        waiting.start()
        time.sleep(0.2)
        order.append("first step")
    with machine_lock("training", path=path):
        order.append("second step")
    waiting.join()
    assert order == ["first step", "timing", "second step"]


def test_timing_may_be_nested_but_not_inside_a_training_step(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with machine_lock("timing", path=path), machine_lock("timing", path=path):
        pass
    with (
        machine_lock("training", path=path),
        pytest.raises(DeviceError, match="inside a training step"),
        machine_lock("timing", path=path),
    ):
        pass


def test_a_lock_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DeviceError, match="cannot be used"), machine_lock("timing", path=tmp_path / "file" / "lock"):
        pass
