"""Settings and clock limits of a phone while it is measured, where something goes wrong on the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from evit_nas.errors import DeviceError
from evit_nas.fakephone.faults import Fault
from evit_nas.fakephone.properties import default_settings
from evit_nas.fakephone.testing import RunningPhone, fake_phone
from evit_nas.latency.profiler.devices.adb import Adb, LinkError, run_adb
from evit_nas.latency.profiler.devices.phone_session import _limit_khz
from evit_nas.latency.profiler.devices.phone_settings import measuring_settings, restore_leftovers, state_folder

pytestmark = pytest.mark.usefixtures("own_adb_server")
PRIME, PEAK_KHZ = 7, 2_995_200


@contextmanager
def plugged_in(*faults: Fault) -> Iterator[RunningPhone]:
    with fake_phone(faults=faults) as phone:
        run_adb(["connect", phone.address])
        yield phone
        run_adb(["disconnect", phone.address])


def silent(text: str) -> None:
    pass


def test_what_can_be_put_back_is_although_the_phone_refuses_to_leave_its_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    with plugged_in() as phone:
        with measuring_settings(Adb(phone.address), notes.append):
            assert phone.phone.fixed_performance
            monkeypatch.setattr(phone.phone, "faulty", lambda name, phase=None: name == "no-fixed-performance")
        assert phone.phone.settings == default_settings()
        assert "the next evit-nas run on it does" in notes[-1]
        monkeypatch.undo()
        assert restore_leftovers(Adb(phone.address), notes.append)
        assert not phone.phone.fixed_performance
    assert not list(state_folder().glob("*.json"))


def test_an_answer_that_is_no_value_is_never_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    with plugged_in() as phone:
        phone.phone.settings["system", "screen_brightness"] = "10x"
        with pytest.raises(DeviceError, match="reads '10x'; restart"), measuring_settings(Adb(phone.address), silent):
            pytest.fail("nothing may be changed now")
        assert not phone.phone.fixed_performance
        assert phone.phone.settings["system", "screen_brightness"] == "10x"


def test_bytes_that_are_no_text_are_a_broken_link() -> None:
    with plugged_in(Fault(fault="garbage-bytes", phase="shell")) as phone, pytest.raises(LinkError) as error:
        Adb(phone.address).shell(["cat", "/proc/cpuinfo"], retries=0)
    assert phone.address in str(error.value)


def test_a_clock_that_is_capped_when_measuring_begins_is_waited_out() -> None:
    notes: list[str] = []
    with plugged_in(Fault(fault="capped-clock", for_s=40)) as phone:
        assert _limit_khz(Adb(phone.address), PRIME, PEAK_KHZ, notes.append) == PEAK_KHZ
    assert "the clock is limited to 1.80 of 3.00 GHz; waiting" in notes[0]


def test_a_clock_that_the_mode_itself_lowers_is_the_one_to_measure_at(monkeypatch: pytest.MonkeyPatch) -> None:
    with plugged_in() as phone:
        phone.phone.fixed_performance = True
        monkeypatch.setattr(
            phone.phone, "limit_khz", lambda core: PEAK_KHZ // 2 if phone.phone.fixed_performance else PEAK_KHZ
        )
        assert _limit_khz(Adb(phone.address), PRIME, PEAK_KHZ, silent) == PEAK_KHZ // 2
        assert phone.phone.fixed_performance
