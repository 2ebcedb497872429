"""State of the fake phone: cores, clocks, heat, settings, and faults that change them."""

from __future__ import annotations

from typing import Any

import pytest

from evit_nas.fakephone.cost_model import CostModel, Throttle
from evit_nas.fakephone.faults import Fault
from evit_nas.fakephone.interpreter import Shell
from evit_nas.fakephone.phone import Phone
from evit_nas.fakephone.program import Pipes
from evit_nas.fakephone.programs import PROGRAMS, TOOLS
from evit_nas.soc.registry import resolve


def phone_with(model: CostModel, *faults: Fault, time_scale: float = 0.0) -> Phone:
    return Phone(resolve("sm8450"), model, faults, time_scale)


def said(phone: Phone, text: str) -> tuple[str, int]:
    """Output (both streams) and exit code of one command line."""
    output = bytearray()
    pipes = Pipes(lambda: b"", output.extend, output.extend)
    code = Shell(phone, phone.start("sh"), PROGRAMS, TOOLS).run(text, pipes)
    return output.decode(), code


def test_files_of_the_kernel_are_those_of_the_chip(plain_costs: CostModel) -> None:
    phone = phone_with(plain_costs)
    assert said(phone, "cat /sys/devices/system/cpu/cpu7/cpufreq/cpuinfo_max_freq") == ("2995200\n", 0)
    assert said(phone, "cat /sys/devices/system/cpu/online")[0] == "0-7\n"
    assert said(phone, "grep -c 0xd46 /proc/cpuinfo")[0] == "4\n"
    assert said(phone, "cat /sys/devices/system/cpu/cpu7/cpufreq/cpuinfo_cur_freq")[1] == 1
    assert "Permission denied" in said(phone, "echo 1 > /sys/devices/system/cpu/cpu7/online")[0]


def test_taskset_sets_what_proc_shows(plain_costs: CostModel) -> None:
    phone = phone_with(plain_costs)
    assert said(phone, "taskset 70 grep Cpus_allowed_list /proc/self/status")[0] == "Cpus_allowed_list:\t4-6\n"
    assert said(phone, "taskset 70 sh -c 'taskset -p $$'")[0].endswith("current affinity mask: 70\n")
    assert "Invalid argument" in said(phone, "taskset 100 true")[0]


def test_time_passes_by_what_the_phone_does(plain_costs: CostModel) -> None:
    phone = phone_with(plain_costs)
    before = float(said(phone, "cat /proc/uptime")[0].split()[0])
    said(phone, "sleep 100")
    assert float(said(phone, "cat /proc/uptime")[0].split()[0]) - before == pytest.approx(100, abs=0.1)


def test_work_heats_throttles_and_rest_cools(plain_costs: CostModel) -> None:
    from dataclasses import replace

    model = replace(plain_costs, throttle=Throttle(after_s=10, factor=1.5))
    phone = phone_with(model)
    process = phone.start("worker")
    cold = phone.temperatures_c()
    phone.spend(process, 11, "run", busy=True)
    assert phone.throttled()
    assert phone.limit_khz(7) == int(2995200 / 1.5)
    assert phone.slowdown(0x80, 1) == pytest.approx(1.5)
    assert phone.temperatures_c()["skin"] > cold["skin"] + 10
    assert phone.thermal_status() == 3
    phone.spend(process, 7, "shell")
    assert not phone.throttled()
    assert phone.slowdown(0x80, 1) == pytest.approx(1.0)


def test_slower_cores_are_slower_and_threads_share(plain_costs: CostModel) -> None:
    phone = phone_with(plain_costs)
    prime, big, little = (phone.slowdown(mask, 1) for mask in (0x80, 0x70, 0x0F))
    assert prime == 1.0 < big < little
    assert phone.slowdown(0xF0, 4) < prime


@pytest.mark.parametrize(
    ("fault", "text", "expected"),
    [
        ("hot", "dumpsys thermalservice", "Thermal Status: 2"),
        ("throttled", "dumpsys thermalservice", "Thermal Status: 3"),
        ("throttled", "cat /sys/devices/system/cpu/cpu7/cpufreq/scaling_max_freq", "1872000"),
        ("capped-clock", "cat /sys/devices/system/cpu/cpu7/cpufreq/scaling_max_freq", "17971"),
        ("prime-core-off", "cat /sys/devices/system/cpu/online", "0-6"),
        ("prime-core-off", "taskset 80 true", "Invalid argument"),
        ("prime-core-off", "cat /sys/devices/system/cpu/cpu7/cpufreq/scaling_cur_freq", "No such file"),
        ("no-taskset", "taskset 80 true", "inaccessible or not found"),
        ("no-thermal-files", "cat /sys/class/thermal/thermal_zone0/temp", "Permission denied"),
        ("no-fixed-performance", "cmd power set-fixed-performance-mode-enabled true", "not supported"),
        ("second-user", "cat /proc/loadavg", "4.20"),
    ],
)
def test_faults_show(plain_costs: CostModel, fault: str, text: str, expected: str) -> None:
    assert expected in said(phone_with(plain_costs, Fault(fault=fault)), text)[0]
    assert expected not in said(phone_with(plain_costs), text)[0]


def test_windows_open_in_their_phase_and_close(plain_costs: CostModel) -> None:
    phone = phone_with(plain_costs, Fault(fault="hot", phase="shell", after_s=5, for_s=10))
    process = phone.start("sh")
    phone.spend(process, 20, "push")
    assert not phone.faulty("hot")
    phone.spend(process, 5.1, "shell")
    assert phone.faulty("hot")
    phone.spend(process, 10, "run")
    assert not phone.faulty("hot")


def test_settings_are_kept(plain_costs: CostModel) -> None:
    phone = phone_with(plain_costs)
    text = "svc power stayon true; cmd connectivity airplane-mode enable; settings get global airplane_mode_on"
    assert said(phone, text) == ("1\n", 0)
    assert said(phone, "settings get global stay_on_while_plugged_in")[0] == "7\n"
    assert said(phone, "settings get global nonsense")[0] == "null\n"


def test_time_scale_takes_wall_time(plain_costs: CostModel) -> None:
    import time

    phone = phone_with(plain_costs, time_scale=0.05)
    start_s, before_s = time.monotonic(), phone.clock.now_s()
    said(phone, "sleep 4")
    assert time.monotonic() - start_s >= 0.19
    assert phone.clock.now_s() - before_s >= 3.9


def test_properties_name_a_fake(plain_costs: Any) -> None:
    phone = phone_with(plain_costs)
    assert phone.properties["ro.build.fingerprint"].startswith("evit-nas/fake")
    assert said(phone, "getprop ro.soc.model")[0] == "SM8450\n"
    assert said(phone, "getprop no.such.thing")[0] == "\n"
