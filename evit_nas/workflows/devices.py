"""`evit-nas devices`: what can be measured on from here."""

from __future__ import annotations

from evit_nas.latency.profiler.fingerprint import host_identity
from evit_nas.tflite.capi import runtime_hash
from evit_nas.workflows.results import DeviceInfo, DevicesResult


def devices() -> DevicesResult:
    """This host. `soc` is None for it: a host is known by its fingerprint."""
    host = host_identity(runtime_hash())
    info = DeviceInfo(id=host.fingerprint, kind="host", soc=None, state="device", name=host.description)
    return DevicesResult(devices=(info,))
