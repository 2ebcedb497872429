"""Programs for Android that really run, through the real adb client."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from evit_nas.fakephone.arm64.toolchain import Toolchain
from evit_nas.fakephone.faults import Fault
from evit_nas.fakephone.testing import RunningPhone, fake_phone

TMP = "/data/local/tmp"
Call = Callable[..., "subprocess.CompletedProcess[str]"]


def pushed(adb: Any, phone: RunningPhone, android: bytes, folder: Path) -> Call:
    """The program on the phone; what is returned runs a command line there."""
    adb.connect(phone.address)
    (folder / "program").write_bytes(android)
    adb("-s", phone.address, "push", str(folder / "program"), f"{TMP}/program")
    adb.shell(phone.address, f"chmod 755 {TMP}/program")
    return lambda text, **options: adb.shell(phone.address, f"cd {TMP}; {text}", **options)


@pytest.fixture
def phone(tools: Toolchain) -> Iterator[RunningPhone]:
    with fake_phone(arm64=tools) as running:
        yield running


@pytest.fixture
def call(adb: Any, phone: RunningPhone, android: bytes, tmp_path: Path) -> Call:
    return pushed(adb, phone, android, tmp_path)


def test_output_exit_code_and_name(call: Call) -> None:
    assert call("./program name").stdout == "./program\n"
    assert call("taskset 80 ./program exit 7; echo $?").stdout == "7\n"
    assert call("./program graphics; echo $?").stdout == "0\n"
    done = call("./program show /nonexistent")
    assert (done.stderr, done.returncode) == ("no /nonexistent (2)\n", 3)


def test_it_sees_the_phone(call: Call, phone: RunningPhone) -> None:
    assert call("./program show /proc/cpuinfo").stdout == call("cat /proc/cpuinfo").stdout
    assert call("./program property ro.soc.model").stdout == "SM8450\n"
    assert call("./program show /sys/devices/system/cpu/cpu7/cpufreq/cpuinfo_max_freq").stdout == "2995200\n"


def test_files_there_and_back(call: Call) -> None:
    assert call(f"echo hello > a; ./program show a; ./program show {TMP}/a").stdout == "hello\nhello\n"
    assert call(f"./program write {TMP}/made text && ./program write here text; cat made here").stdout == "texttext"
    assert call(f"./program remove {TMP}/a; ls").stdout == "here\nmade\nprogram\n"


def test_a_crash_and_a_kill_are_exit_codes(call: Call) -> None:
    done = call("./program crash; echo $?")
    assert done.stdout == "139\n"
    assert "Segmentation fault" in done.stderr
    assert call("timeout 0.5 ./program spin; echo $?").stdout == "spinning\n124\n"
    assert call("./program spin & kill $!; wait; pidof program; echo end").stdout == "end\n"


def test_what_is_no_program_of_android_is_told(call: Call, adb: Any, phone: RunningPhone, tools: Toolchain) -> None:
    adb("-s", phone.address, "push", str(tools.libraries[1] / "libm.so.6"), f"{TMP}/libm")
    done = call("chmod 755 libm; ./libm")
    assert (done.returncode, done.stderr) == (126, "sh: ./libm: not executable: not linked to Android's libc.so\n")


def test_the_simulated_tool_is_not_there(call: Call, phone: RunningPhone) -> None:
    assert call("./benchmark_model --help").returncode == 127
    assert call("getprop ro.boot.qemu").stdout == "1\n"


@pytest.mark.parametrize(("name", "code"), [("crash-139", 139), ("crash-137", 137), ("hang", 124)])
def test_faults_of_the_run_phase(
    name: str, code: int, adb: Any, tools: Toolchain, android: bytes, tmp_path: Path
) -> None:
    with fake_phone(arm64=tools, faults=[Fault(fault=name, phase="run")]) as phone:
        run = pushed(adb, phone, android, tmp_path)
        assert run("timeout 20 ./program spin; echo $?").stdout.splitlines()[-1] == str(code)


def test_a_pulled_cable_ends_the_program(call: Call, phone: RunningPhone) -> None:
    answer: list[Any] = []
    waiting = threading.Thread(target=lambda: answer.append(call("./program spin", timeout_s=20)))
    waiting.start()
    limit_s = time.monotonic() + 15
    while not any(process.name == "program" for process in phone.phone.running()) and time.monotonic() < limit_s:
        time.sleep(0.05)
    phone.daemon.drop_links()
    waiting.join(20)
    while any(process.name == "program" for process in phone.phone.running()) and time.monotonic() < limit_s:
        time.sleep(0.05)
    assert answer
    assert not [process for process in phone.phone.running() if process.name == "program"]
