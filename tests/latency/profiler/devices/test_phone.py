"""A phone over the real adb client: the fake phone, its faults, its settings, and two of them at once."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from evit_nas.errors import DeviceError, InputError
from evit_nas.fakephone.faults import Fault
from evit_nas.fakephone.properties import default_settings
from evit_nas.fakephone.testing import RunningPhone, fake_phone
from evit_nas.latency.profiler import protocol
from evit_nas.latency.profiler.devices.adb import Adb, run_adb
from evit_nas.latency.profiler.devices.phone_identity import core_mask, identify
from evit_nas.latency.profiler.devices.phone_session import find_phone
from evit_nas.latency.profiler.devices.phone_settings import restore_leftovers
from evit_nas.latency.profiler.phone import PhoneResult, phone_timer, profile_phone
from evit_nas.latency.table.store import load_table
from evit_nas.space.space import load_space

SPACE = "efficientvit-seg-small"
KILLED = """
import os, signal, sys
from evit_nas.latency.profiler.devices.adb import Adb
from evit_nas.latency.profiler.devices.phone_settings import measuring_settings
with measuring_settings(Adb(sys.argv[1]), print):
    os.kill(os.getpid(), signal.SIGKILL)
"""


pytestmark = pytest.mark.usefixtures("own_adb_server")


@contextmanager
def plugged_in(*faults: Fault, build: str = "1") -> Iterator[RunningPhone]:
    with fake_phone(faults=faults, build=build) as phone:
        run_adb(["connect", phone.address])
        try:
            yield phone
        finally:
            run_adb(["disconnect", phone.address])


def profiled(phone: RunningPhone, tables: Path, rows: int = 20) -> PhoneResult:
    return profile_phone(
        phone.address, load_space(SPACE), tables_dir=tables, allow_simulated=True, quick=True, max_rows=rows
    )


def untouched(phone: RunningPhone) -> bool:
    return phone.phone.settings == default_settings() and not phone.phone.fixed_performance


def test_a_table_of_simulated_rows_with_its_conditions(tmp_path: Path) -> None:
    with plugged_in() as phone:
        done = profiled(phone, tmp_path)
        assert untouched(phone)
    table = load_table(done.result.table)
    assert len(table.rows) == 20
    assert {row.provenance for row in table.rows} == {"simulated"}
    assert (table.conditions.device, table.conditions.core) == ("sm8450", "prime")
    assert any("mask 80" in text for text in table.provenance.notes)
    rounds = (done.result.table.parent / "rounds" / done.result.table.name).read_text().splitlines()
    assert rounds[0].startswith("ended_at,uptime_s,model")
    assert len(rounds) > 10


def test_a_second_run_goes_on_and_another_build_begins_a_table_of_its_own(tmp_path: Path) -> None:
    with plugged_in() as phone:
        first = profiled(phone, tmp_path, rows=10)
        again = profiled(phone, tmp_path, rows=10)
    with plugged_in(build="2") as phone:
        other = profiled(phone, tmp_path, rows=10)
    assert (again.result.table, again.result.rows) == (first.result.table, 20)
    assert other.result.table.parent.name.startswith("sm8450-")
    assert len(load_table(first.result.table).rows) == 20


def test_rows_of_a_fake_phone_need_a_folder(tmp_path: Path) -> None:
    with plugged_in() as phone, pytest.raises(InputError, match="--tables"):
        profile_phone(phone.address, load_space(SPACE), tables_dir=tmp_path, allow_simulated=False)
    assert not list(tmp_path.rglob("*.csv"))


@pytest.mark.parametrize("name", ["hot", "throttled", "capped-clock", "corrupt-push", "hang", "no-shell-v2"])
def test_what_passes_is_waited_for(name: str, tmp_path: Path) -> None:
    with plugged_in(Fault(fault=name, phase="run", after_s=2, for_s=6)) as phone:
        assert profiled(phone, tmp_path).result.rows == 20
        assert untouched(phone)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("disk-full", "room|full"),
        ("read-only", "written"),
        ("hot", "thermal status 2 after a rest"),
        ("capped-clock", "the clock is limited to 1.80 of 3.00 GHz"),
        ("prime-core-off", r"cores \[7\] are off"),
        ("no-taskset", "--core any"),
        ("second-user", "other programs"),
        ("corrupt-push", "arrives damaged"),
        ("unauthorised", "unlock it"),
        ("garbage-bytes", "no text; use another cable"),
    ],
)
def test_what_stays_ends_the_run_and_says_what_to_do(name: str, told: str, tmp_path: Path) -> None:
    with plugged_in(Fault(fault=name)) as phone:
        with pytest.raises(DeviceError, match=told) as error:
            profiled(phone, tmp_path)
        assert phone.address in str(error.value)
        assert untouched(phone)
    assert not list(tmp_path.glob("*/*-fp32.csv"))


@pytest.mark.parametrize("name", ["crash-139", "crash-137", "truncated-output", "garbage-bytes"])
def test_a_tool_that_fails_each_time_ends_the_run(name: str, tmp_path: Path) -> None:
    with plugged_in(Fault(fault=name, phase="run", after_s=3)) as phone:
        with pytest.raises(DeviceError, match="3 times"):
            profiled(phone, tmp_path)
        assert untouched(phone)


def test_settings_left_by_a_killed_run_are_put_back_by_the_next() -> None:
    notes: list[str] = []
    with plugged_in() as phone:
        killed = subprocess.run([sys.executable, "-c", KILLED, phone.address], check=False)
        assert killed.returncode == -signal.SIGKILL
        assert phone.phone.fixed_performance
        assert phone.phone.settings["global", "airplane_mode_on"] == "1"
        assert restore_leftovers(Adb(phone.address), notes.append)
        assert untouched(phone)
        assert not restore_leftovers(Adb(phone.address), notes.append)


def test_two_phones_at_once_do_not_mix(tmp_path: Path) -> None:
    done: dict[str, PhoneResult] = {}
    with plugged_in() as one, fake_phone("sm8550") as two:
        run_adb(["connect", two.address])
        jobs = [
            threading.Thread(target=lambda p=phone: done.update({p.address: profiled(p, tmp_path)}))  # type: ignore[misc]
            for phone in (one, two)
        ]
        for job in jobs:
            job.start()
        for job in jobs:
            job.join()
        run_adb(["disconnect", two.address])
        devices = {address: result.facts.conditions.device for address, result in done.items()}
        assert devices == {one.address: "sm8450", two.address: "sm8550"}
    assert all(len(load_table(result.result.table).rows) == 20 for result in done.values())


def test_a_whole_network_end_to_end() -> None:
    with plugged_in() as phone, phone_timer(phone.address, note=lambda text: None) as timed:
        done = timed(protocol.canary_model())
    assert done.timing.low_ms <= done.timing.latency_ms <= done.timing.high_ms
    assert done.timing.canary == pytest.approx(1.0, abs=0.05)


def test_a_phone_is_found_by_its_chip_and_by_its_serial() -> None:
    with plugged_in() as phone:
        assert find_phone("8gen1") == find_phone(phone.address) == phone.address
        with pytest.raises(DeviceError, match="sm8550: no phone of this chip is attached"):
            find_phone("sm8550")
        with pytest.raises(InputError, match="three chips"):
            find_phone("taro")
        identity = identify(Adb(phone.address))
    assert core_mask(identity, None, 1) == ("prime", 0x80)
    assert core_mask(identity, "big", 2) == ("big", 0x70)
    assert core_mask(identity, "f0", 4) == ("maskf0", 0xF0)
    with pytest.raises(InputError, match="threads 2"):
        core_mask(identity, "prime", 2)
    with pytest.raises(DeviceError, match="connect one"):
        find_phone("sm8450")
