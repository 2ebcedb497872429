"""Programs for Android that really run, through the real adb client."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
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


def test_truncated_output_of_the_run_phase(adb: Any, tools: Toolchain, android: bytes, tmp_path: Path) -> None:
    with fake_phone(arm64=tools, faults=[Fault(fault="truncated-output", phase="run")]) as phone:
        run = pushed(adb, phone, android, tmp_path)
        assert run("./program name --graph=benchmark_model").stdout == "./pro"


def test_on_a_phone_that_takes_its_time(adb: Any, tools: Toolchain, android: bytes, tmp_path: Path) -> None:
    with fake_phone(arm64=tools, time_scale=1.0) as phone:
        run = pushed(adb, phone, android, tmp_path)
        before_s = phone.phone.clock.now_s()
        assert run("timeout 1 ./program spin; echo $?").stdout == "spinning\n124\n"
        assert 1.0 <= phone.phone.clock.now_s() - before_s < 15.0


def test_nothing_is_left_running(adb: Any, tools: Toolchain, android: bytes, tmp_path: Path) -> None:
    with fake_phone(arm64=tools) as phone:
        run = pushed(adb, phone, android, tmp_path)
        threading.Thread(target=lambda: run("./program spin"), daemon=True).start()
        wait_for(lambda: bool(emulators()))
    wait_for(lambda: not emulators())


def emulators() -> list[str]:
    """Children of this process that are qemu."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            name, _, rest = path.read_text().rpartition(")")
            if "(qemu" in name and rest.split()[1] == str(os.getpid()):
                found.append(name)
    return found


def wait_for(condition: Callable[[], bool], limit_s: float = 15.0) -> None:
    until_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.05)


def test_a_pulled_cable_ends_the_program(call: Call, phone: RunningPhone) -> None:
    answer: list[Any] = []
    waiting = threading.Thread(target=lambda: answer.append(call("./program spin", timeout_s=20)))
    waiting.start()
    wait_for(lambda: bool(emulators()))
    phone.daemon.drop_links()
    waiting.join(20)
    wait_for(lambda: not emulators())
    assert answer
