"""`evit-nas devices`: the host, and phones in each of adb's states with what to do about it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from evit_nas.errors import DeviceError
from evit_nas.fakephone.faults import Fault
from evit_nas.fakephone.testing import fake_phone
from evit_nas.files import write_text
from evit_nas.latency.profiler.devices.adb import attached, run_adb
from evit_nas.latency.profiler.devices.adb_state import Attached
from evit_nas.latency.profiler.devices.phone_settings import state_folder
from evit_nas.workflows import devices as module
from evit_nas.workflows.results import DeviceInfo


@pytest.fixture(autouse=True)
def _own_adb_server(tmp_path: Path, adb_server: Callable[[Path], AbstractContextManager[None]]) -> Iterator[None]:
    with adb_server(tmp_path):
        yield


def listed(serial: str) -> DeviceInfo:
    return next(device for device in module.devices().devices if device.id == serial)


def test_a_phone_that_is_ready() -> None:
    with fake_phone("sm8550") as phone:
        run_adb(["connect", phone.address])
        found = listed(phone.address)
    assert (found.kind, found.soc, found.state, found.advice) == ("adb", "sm8550", "device", "")
    assert "battery 87 %" in found.name
    assert "simulated" in found.name


@pytest.mark.parametrize(
    ("fault", "state", "told"),
    [("unauthorised", "unauthorized", "allow USB debugging"), ("offline", "offline", "adb disconnect 127.0.0.1")],
)
def test_a_phone_that_does_not_talk(fault: str, state: str, told: str) -> None:
    with fake_phone(faults=[Fault(fault=fault, after_s=60)]) as phone:
        run_adb(["connect", phone.address])
        phone.phone.clock.pass_s(60, threading.Event())
        until = time.monotonic() + 10
        while {each.state for each in attached()} != {state} and time.monotonic() < until:
            time.sleep(0.1)
        found = listed(phone.address)
    assert (found.state, found.soc) == (state, None)
    assert told in found.advice


def test_a_phone_whose_prime_core_is_off() -> None:
    with fake_phone(faults=[Fault(fault="prime-core-off")]) as phone:
        run_adb(["connect", phone.address])
        assert "cores [7] are off: let it cool or restart it" in listed(phone.address).advice


def test_a_phone_that_a_killed_run_left_changed() -> None:
    with fake_phone() as phone:
        run_adb(["connect", phone.address])
        journal = state_folder() / f"{phone.address.replace(':', '_')}.json"
        write_text(journal, "{}")
        assert "left its settings changed" in listed(phone.address).advice
        journal.unlink()
        assert listed(phone.address).advice == ""


def test_a_phone_without_permissions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "attached", lambda: (Attached(serial="R5C", state="no permissions"),))
    assert "udev rule" in listed("R5C").advice


def test_without_adb_there_is_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> tuple[Attached, ...]:
        raise DeviceError("adb: not found; install Android's platform tools")

    monkeypatch.setattr(module, "attached", missing)
    (host,) = module.devices().devices
    assert (host.kind, host.state, host.soc) == ("host", "device", None)
