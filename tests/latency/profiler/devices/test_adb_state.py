"""What `adb devices -l` lists, in every state that it knows."""

from __future__ import annotations

import pytest

from evit_nas.latency.profiler.devices.adb_state import advice, parse_devices

LISTED = """\
* daemon not running; starting now at tcp:5037
* daemon started successfully
List of devices attached
R5CT20ABCDE            device usb:1-1 product:b0q model:SM_S908B device:b0q transport_id:1
R5CT20FGHIJ            unauthorized usb:1-2 transport_id:2
R5CT20KLMNO            offline usb:1-3 transport_id:3
????????????           no permissions (user in plugdev group; are your udev rules wrong?); see [http://x.y/z] usb:1-4
127.0.0.1:5555         device product:taro model:Fake_8_Gen_1 device:taro transport_id:5
emulator-5554          device product:taro model:Fake_8_Gen_1 device:taro transport_id:6
emulator-5556          device product:sdk model:sdk device:emu transport_id:7

"""


def test_states_and_models() -> None:
    found = {phone.serial: (phone.state, phone.model) for phone in parse_devices(LISTED)}
    assert found == {
        "R5CT20ABCDE": ("device", "SM S908B"),
        "R5CT20FGHIJ": ("unauthorized", ""),
        "R5CT20KLMNO": ("offline", ""),
        "????????????": ("no permissions", ""),
        "127.0.0.1:5555": ("device", "Fake 8 Gen 1"),  # not a second time, as emulator-5554
        "emulator-5556": ("device", "sdk"),
    }


@pytest.mark.parametrize(
    ("state", "serial", "told"),
    [
        ("unauthorized", "R5C", "look at its screen"),
        ("offline", "R5C", "replug the cable"),
        ("offline", "10.0.0.7:5555", "adb disconnect 10.0.0.7:5555 and adb connect 10.0.0.7:5555"),
        ("no permissions", "R5C", "udev rule"),
        ("recovery", "R5C", "boot it into Android"),
        ("absent", "R5C", "switch USB debugging on"),
        ("host", "R5C", "adb kill-server"),
        ("device", "R5C", ""),
    ],
)
def test_what_to_do(state: str, serial: str, told: str) -> None:
    assert told in advice(state, serial)
    assert bool(advice(state, serial)) == bool(told)
