"""`evit-nas devices`: what can be measured on from here."""

from __future__ import annotations

from evit_nas.errors import DeviceError
from evit_nas.latency.profiler.devices.adb import Adb, attached
from evit_nas.latency.profiler.devices.adb_state import Attached
from evit_nas.latency.profiler.devices.phone_identity import PhoneIdentity, identify
from evit_nas.latency.profiler.devices.phone_settings import left_changed
from evit_nas.latency.profiler.devices.phone_status import battery_text
from evit_nas.latency.profiler.fingerprint import host_identity
from evit_nas.tflite.capi import runtime_hash
from evit_nas.workflows.results import DeviceInfo, DevicesResult


def devices() -> DevicesResult:
    """This host, and every phone that adb knows. `soc` is None for the host: it is known by its fingerprint."""
    host = host_identity(runtime_hash())
    info = DeviceInfo(id=host.fingerprint, kind="host", soc=None, state="device", name=host.description)
    return DevicesResult(devices=(info, *(_phone(phone) for phone in _attached())))


def _attached() -> tuple[Attached, ...]:
    """No phones where there is no adb: nobody needs one for the host."""
    try:
        return attached()
    except DeviceError:
        return ()


def _phone(phone: Attached) -> DeviceInfo:
    if phone.state != "device":
        return DeviceInfo(
            id=phone.serial, kind="adb", soc=None, state=phone.state, advice=phone.advice, name=phone.model
        )
    adb = Adb(phone.serial)
    try:
        identity, battery = identify(adb), battery_text(adb)
    except DeviceError as error:
        return DeviceInfo(id=phone.serial, kind="adb", soc=None, state=phone.state, advice=str(error), name=phone.model)
    return DeviceInfo(
        id=phone.serial,
        kind="adb",
        soc=identity.soc.id if identity.soc else None,
        state=phone.state,
        advice=_advice(identity),
        name=f"{identity.model}, Android {identity.android}{battery}{', simulated' if identity.simulated else ''}",
    )


def _advice(identity: PhoneIdentity) -> str:
    """What is odd about a phone that answers."""
    off = f"cores {list(identity.offline)} are off: let it cool or restart it" if identity.offline else ""
    left = "a killed run left its settings changed: the next profile or measure puts them back"
    own = left if left_changed(identity.serial) else ""
    return "; ".join(filter(None, (identity.soc_problem, off, own, *identity.contradictions)))
