"""The log of rounds, written and read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from evit_nas.errors import TableError
from evit_nas.latency.profiler.benchmark_model.output import Report, Summary
from evit_nas.latency.profiler.devices.phone_rounds import RoundLog, read_rounds
from evit_nas.latency.profiler.devices.phone_run import Pinned, Run
from evit_nas.latency.profiler.devices.phone_watch import Look

PINNED = Pinned(core=7, mask=0x80, threads=1)


def run_at(uptime_s: float, skin_c: float | None = 31.5) -> Run:
    look = Look(
        uptime_s=uptime_s, build="b", clock_khz=2_900_000, limit_khz=2_995_200, peak_khz=2_995_200, status=0,
        skin_c=skin_c, cpu_c=40.0,
    )  # fmt: skip
    latency = Summary(count=9, avg_us=2000.5, min_us=1990.0, max_us=2010.0, std_us=5.0)
    return Run(
        before=look, after=look, report=Report(latency=latency, init_us=1.0, profile=None, tool="classic"), profile=None
    )


@pytest.fixture
def log(tmp_path: Path) -> RoundLog:
    log = RoundLog(tmp_path / "sm8450" / "table.csv")
    log.append(b"model", run_at(10.0), PINNED, "", profile=False)
    log.append(b"model", run_at(20.0, skin_c=None), PINNED, "thermal status 2, twice", profile=True)
    return log


def test_what_was_written_is_read(log: RoundLog) -> None:
    first, second = read_rounds(log.path)
    assert (first.uptime_s, first.mean_us, first.clock_khz, first.limit_khz) == (10.0, 2000.5, 2_900_000, 2_995_200)
    assert (first.skin_c, first.cpu_c, first.problem, first.profiled) == (31.5, 40.0, "", False)
    assert (second.skin_c, second.problem, second.profiled) == (None, "thermal status 2, twice", True)
    assert first.model == second.model


def test_a_line_that_a_kill_cut_short_is_left_out(log: RoundLog) -> None:
    whole = log.path.read_bytes()
    log.path.write_bytes(whole[:-60])
    assert len(read_rounds(log.path)) == 1
    log.append(b"model", run_at(30.0), PINNED, "", profile=False)
    assert read_rounds(log.path)[0].uptime_s == 10.0


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(TableError, match="not a log of rounds"):
        read_rounds(tmp_path / "other.csv")
    with pytest.raises(TableError, match="cannot be read"):
        read_rounds(tmp_path / "absent.csv")
