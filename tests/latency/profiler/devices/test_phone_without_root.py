"""Every command that reaches a phone in a whole profiling run: none asks for root or does what only root may."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from evit_nas.fakephone.daemon import Daemon
from evit_nas.fakephone.stream import Stream
from evit_nas.fakephone.testing import fake_phone
from evit_nas.latency.profiler.devices.adb import run_adb
from evit_nas.latency.profiler.phone import profile_phone
from evit_nas.space.space import load_space

pytestmark = pytest.mark.usefixtures("own_adb_server")

FOR_ROOT = re.compile(r"\b(su|sudo|root|remount|setenforce|mount|chown|insmod|disable-verity|setprop)\b")
WRITES_KERNEL_FILES = re.compile(r">\s*/(sys|proc)/")


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What adb asked of any fake phone, as its device side hears it: `shell,v2:...`, `sync:`, `root:`."""
    services: list[str] = []
    serve = Daemon._serve

    def listening(daemon: Daemon, stream: Stream, service: str) -> None:
        services.append(service)
        serve(daemon, stream, service)

    monkeypatch.setattr(Daemon, "_serve", listening)
    return services


def test_root_is_never_asked_for(heard: list[str], tmp_path: Path) -> None:
    with fake_phone() as phone:
        run_adb(["connect", phone.address])
        space = load_space("efficientvit-seg-small")
        profile_phone(phone.address, space, tables_dir=tmp_path, allow_simulated=True, quick=True, max_rows=10)
        run_adb(["disconnect", phone.address])
    assert sum("benchmark_model --graph" in text for text in heard) > 5
    assert {text.partition(":")[0].partition(",")[0] for text in heard} <= {"shell", "exec", "sync"}
    assert [text for text in heard if FOR_ROOT.search(text) or WRITES_KERNEL_FILES.search(text)] == []


def test_what_root_would_do_is_noticed() -> None:
    for text in ("root:", "shell:su -c id", "shell,v2,raw:setenforce 0", "remount:"):
        assert FOR_ROOT.search(text), text
    assert WRITES_KERNEL_FILES.search("shell:echo performance > /sys/devices/system/cpu/cpu7/cpufreq/scaling_governor")
