"""Winners re-measured on a phone that is attached, on one that fails meanwhile, and on none."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import evit_nas
from evit_nas.errors import DeviceError
from evit_nas.fakephone.faults import Fault
from evit_nas.fakephone.properties import default_settings
from evit_nas.fakephone.testing import RunningPhone, fake_phone
from evit_nas.latency.measurement import Provenance
from evit_nas.latency.profiler import protocol
from evit_nas.latency.profiler.devices.adb import run_adb
from evit_nas.latency.profiler.devices.phone_identity import known_choice
from evit_nas.latency.profiler.protocol import Timing
from evit_nas.report.run_data import read_run
from evit_nas.workflows import search, verify, winners
from evit_nas.workflows.results import SearchResult
from evit_nas.workflows.run_folder import Setting
from evit_nas.workflows.verify import Bench, device_and_phone


@pytest.fixture(autouse=True)
def _own_adb_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(probe.getsockname()[1]))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(protocol, "FRESH_LOOKS", 5)
    monkeypatch.setattr(winners, "WINNERS", 2)
    monkeypatch.setattr(winners, "SPARE", 1)
    yield
    run_adb(["kill-server"])


@contextmanager
def plugged_in(*faults: Fault, soc: str = "sm8450") -> Iterator[RunningPhone]:
    with fake_phone(soc, faults=faults) as phone:
        run_adb(["connect", phone.address])
        yield phone


def searched(run: Path, *, drawn: bool = False, **options: str) -> SearchResult:
    with pytest.MonkeyPatch.context() as patch:
        if not drawn:
            patch.setattr(search, "write_report", lambda data, folder: (folder / "report.html",))
        return evit_nas.search(budget_ms=20, trials=60, out=run, **options)


def benched(monkeypatch: pytest.MonkeyPatch, time: Callable[[bytes], tuple[Timing, Provenance]]) -> None:
    @contextmanager
    def bench_of(setting: Setting, note: Callable[[str], None]) -> Iterator[Bench]:
        yield Bench(name="sm8450", where="R5CT", time=time)

    monkeypatch.setattr(winners, "bench_of", bench_of)


def timing(latency_ms: float) -> Timing:
    return Timing(latency_ms=latency_ms, low_ms=latency_ms, high_ms=latency_ms, runs=9, canary=1.0, canary_us=2000.0)


def test_an_attached_stand_in_is_timed_and_decides_nothing_for_a_real_chip(tmp_path: Path) -> None:
    with plugged_in() as phone:
        result = searched(tmp_path / "run", drawn=True)
        assert phone.phone.settings == default_settings()
    assert len(result.best) == 2
    assert not result.verified
    assert result.verification == f"winners re-measured on {phone.address} (simulated)"
    for best in result.best:
        assert best.verified_provenance == "simulated"
        assert best.verified_low_ms <= best.verified_ms <= best.verified_high_ms
        assert best.verified == f"simulated {best.verified_ms:.1f} ms on a stand-in, not verified"
    kept = read_run(tmp_path / "run").winners
    assert [winner.verified_provenance for winner in kept] == ["simulated"] * 2
    assert not any(winner.missed_budget for winner in kept)
    page = (tmp_path / "run" / "report.html").read_text()
    assert f"simulated {result.best[0].verified_ms:.1f} ms" in page


def test_a_phone_that_fails_meanwhile_keeps_the_result(tmp_path: Path) -> None:
    with plugged_in(Fault(fault="unplugged", phase="run", after_s=3)):
        result = searched(tmp_path / "run")
    assert len(result.best) == 2
    assert not result.verified
    assert result.best[-1].verified_ms is None
    assert result.best[-1].verified.startswith("not verified: ")
    assert "adb connect" in result.verification
    assert read_run(tmp_path / "run").manifest.verification == result.verification


def test_a_phone_of_another_chip_is_not_the_one(tmp_path: Path) -> None:
    with plugged_in(soc="sm8550") as phone:
        result = searched(tmp_path / "run")
        assert phone.phone.settings == default_settings()
    assert f"attached: {phone.address} with sm8550" in result.verification
    assert all(best.verified.startswith("not verified: no phone of this chip is attached") for best in result.best)


def test_a_table_of_no_known_chip_asks_no_adb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "find_phone", lambda device: pytest.fail("adb was asked"))
    result = searched(tmp_path / "run", device="tensor")
    assert result.verification.startswith("not verified: tensor is neither this machine nor")


def test_a_serial_means_the_tables_of_its_chip() -> None:
    with plugged_in() as phone:
        assert device_and_phone(phone.address, None) == ("sm8450", phone.address)
    assert device_and_phone("sm8450", None) == ("sm8450", "")
    assert device_and_phone("R5CT1234", None) == ("R5CT1234", "")


def test_a_real_phone_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times_ms = iter((21.0, 19.0, 18.0))
    benched(monkeypatch, lambda model: (timing(next(times_ms)), "measured"))
    result = searched(tmp_path / "run")
    assert result.verified
    assert [best.verified for best in result.best] == [
        "measured 19.0 ms, within the budget",
        "measured 18.0 ms, within the budget",
    ]
    assert result.verification == "winners re-measured on R5CT; 1 missed the budget and gave way"
    assert [winner.missed_budget for winner in read_run(tmp_path / "run").winners] == [False, False, True]


def test_what_was_measured_before_a_failure_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times_ms = iter((19.0,))

    def time(model: bytes) -> tuple[Timing, Provenance]:
        for time_ms in times_ms:
            return timing(time_ms), "measured"
        raise DeviceError("R5CT: offline; replug the cable")

    benched(monkeypatch, time)
    result = searched(tmp_path / "run")
    assert not result.verified
    assert [best.verified_ms for best in result.best] == [19.0, None]
    assert result.best[1].verified == "not verified: R5CT: offline"
    assert result.verification == (
        "1 of 2 winners re-measured on R5CT; the others are not verified: R5CT: offline; replug the cable"
    )


@pytest.mark.parametrize(
    ("core", "choice"), [("prime", "prime"), ("any", "any"), ("mask80", "80"), ("x2", None), ("med", None)]
)
def test_cores_of_a_table_as_a_choice(core: str, choice: str | None) -> None:
    assert known_choice(core) == choice
