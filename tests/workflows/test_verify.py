"""Winners re-measured on a phone that is attached, on one that fails meanwhile, and on none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
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
from evit_nas.report.run_data import Winner, read_run
from evit_nas.search.study import StudyResult
from evit_nas.workflows import search, verify, winners
from evit_nas.workflows.latency import open_device
from evit_nas.workflows.progress import Progress, Silent
from evit_nas.workflows.run_folder import Setting
from evit_nas.workflows.verify import Bench, bench_of, device_and_phone

Studied = tuple[Setting, StudyResult]


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Studied:
    """What a search has before it judges its winners."""
    seen: list[tuple[Setting, StudyResult]] = []

    def judge(setting: Setting, study: StudyResult, run: Path, progress: Progress) -> winners.Judged:
        seen.append((setting, study))
        raise KeyboardInterrupt

    run = tmp_path_factory.mktemp("search") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "judge_winners", judge)
        with pytest.raises(KeyboardInterrupt):
            evit_nas.search(budget_ms=20, trials=60, out=run)
    return seen[0]


@pytest.fixture(autouse=True)
def _own_adb_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, adb_server: Callable[[Path], AbstractContextManager[None]]
) -> Iterator[None]:
    monkeypatch.setattr(protocol, "FRESH_LOOKS", 5)
    monkeypatch.setattr(winners, "WINNERS", 2)
    monkeypatch.setattr(winners, "SPARE", 1)
    with adb_server(tmp_path):
        yield


@contextmanager
def plugged_in(*faults: Fault, soc: str = "sm8450") -> Iterator[RunningPhone]:
    with fake_phone(soc, faults=faults) as phone:
        run_adb(["connect", phone.address])
        yield phone


def judged(studied: Studied, run: Path) -> tuple[winners.Judged, list[Winner]]:
    done = winners.judge_winners(*studied, run, Silent())
    return done, [winner for _, winner in done.winners]


def benched(monkeypatch: pytest.MonkeyPatch, time: Callable[[bytes], tuple[Timing, Provenance]]) -> None:
    @contextmanager
    def bench_of(setting: Setting, note: Callable[[str], None]) -> Iterator[Bench]:
        yield Bench(name="sm8450", where="R5CT", time=time)

    monkeypatch.setattr(winners, "bench_of", bench_of)


def timing(latency_ms: float) -> Timing:
    return Timing(latency_ms=latency_ms, low_ms=latency_ms, high_ms=latency_ms, runs=9, canary=1.0, canary_us=2000.0)


@pytest.mark.slow
def test_a_run_folder_says_what_its_winners_were_measured_on(tmp_path: Path) -> None:
    with plugged_in() as phone:
        result = evit_nas.search(budget_ms=20, trials=60, out=tmp_path / "run")
    assert not result.verified
    assert result.verification == f"winners re-measured on {phone.address} (simulated)"
    told = result.to_json()
    assert [best["verified_provenance"] for best in told["best"]] == ["simulated"] * 2
    assert [winner.verified_ms for winner in read_run(tmp_path / "run").winners] == [
        best["verified_ms"] for best in told["best"]
    ]
    page = (tmp_path / "run" / "report.html").read_text()
    assert f"simulated {result.best[0].verified_ms:.1f} ms" in page


def test_a_stand_in_is_timed_and_decides_nothing_for_a_real_chip(studied: Studied, tmp_path: Path) -> None:
    with plugged_in() as phone:
        done, found = judged(studied, tmp_path)
        assert phone.phone.settings == default_settings()
    assert not done.verified
    assert done.verification == f"winners re-measured on {phone.address} (simulated)"
    for winner in found:
        assert (winner.verified_provenance, winner.missed_budget) == ("simulated", False)
        assert winner.verified_low_ms <= winner.verified_ms <= winner.verified_high_ms
        assert winner.verification == f"simulated {winner.verified_ms:.1f} ms on a stand-in, not verified"


@pytest.mark.slow
def test_a_phone_that_fails_meanwhile_keeps_the_result(studied: Studied, tmp_path: Path) -> None:
    with plugged_in(Fault(fault="unplugged", phase="run", after_s=3)):
        done, found = judged(studied, tmp_path)
    assert len(found) == 2
    assert not done.verified
    assert found[-1].verified_ms is None
    assert found[-1].verification.startswith("not verified: ")
    assert "adb connect" in done.verification


def test_a_phone_of_another_chip_is_not_the_one(studied: Studied, tmp_path: Path) -> None:
    with plugged_in(soc="sm8550") as phone:
        done, found = judged(studied, tmp_path)
        assert phone.phone.settings == default_settings()
    assert f"attached: {phone.address} with sm8550" in done.verification
    assert all(winner.verification.startswith("not verified: no phone of this chip is attached") for winner in found)


def test_a_table_of_no_known_chip_asks_no_adb(studied: Studied, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "find_phone", lambda device: pytest.fail("adb was asked"))
    setting, _ = studied
    tensor = replace(setting, model=open_device("tensor"))
    with bench_of(tensor, lambda text: None) as bench:
        assert not bench.ready
    assert bench.problem.startswith("tensor is neither this machine nor")


def test_a_serial_means_the_tables_of_its_chip() -> None:
    with plugged_in() as phone:
        assert device_and_phone(phone.address, None) == ("sm8450", phone.address)
    assert device_and_phone("sm8450", None) == ("sm8450", "")
    assert device_and_phone("R5CT1234", None) == ("R5CT1234", "")


def test_a_real_phone_decides(studied: Studied, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times_ms = iter((21.0, 19.0, 18.0))
    benched(monkeypatch, lambda model: (timing(next(times_ms)), "measured"))
    done, found = judged(studied, tmp_path)
    assert done.verified
    assert [winner.verification for winner in found] == [
        "measured 19.0 ms, within the budget",
        "measured 18.0 ms, within the budget",
        "measured 21.0 ms, misses the budget",
    ]
    assert done.verification == "winners re-measured on R5CT; 1 missed the budget and gave way"
    assert [winner.missed_budget for winner in found] == [False, False, True]


def test_what_was_measured_before_a_failure_stays(
    studied: Studied, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times_ms = iter((19.0,))

    def time(model: bytes) -> tuple[Timing, Provenance]:
        for time_ms in times_ms:
            return timing(time_ms), "measured"
        raise DeviceError("R5CT: offline; replug the cable")

    benched(monkeypatch, time)
    done, found = judged(studied, tmp_path)
    assert not done.verified
    assert [winner.verified_ms for winner in found] == [19.0, None]
    assert found[1].verification == "not verified: R5CT: offline"
    assert done.verification == (
        "1 of 2 winners re-measured on R5CT; the others are not verified: R5CT: offline; replug the cable"
    )


@pytest.mark.parametrize(
    ("core", "choice"), [("prime", "prime"), ("any", "any"), ("mask80", "80"), ("x2", None), ("med", None)]
)
def test_cores_of_a_table_as_a_choice(core: str, choice: str | None) -> None:
    assert known_choice(core) == choice
