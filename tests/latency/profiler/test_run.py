"""A profiling run on a device whose times are made up and whose kernels are real."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evit_nas.errors import DeviceError, TableError
from evit_nas.graph.emit import emit
from evit_nas.graph.fuse import fuse
from evit_nas.latency.measurement import Conditions, Measurement
from evit_nas.latency.profiler import protocol
from evit_nas.latency.profiler.devices.base import DeviceFacts, Floats
from evit_nas.latency.profiler.plan import ChosenRows, Effort, member_signatures, plan_members
from evit_nas.latency.profiler.repeats import WHOLE_US
from evit_nas.latency.profiler.run import MAX_SKIPPED, Progress, profile_device
from evit_nas.latency.profiler.samples import GRAPH_SIGNATURE
from evit_nas.latency.table.networks import load_networks
from evit_nas.latency.table.store import load_table
from evit_nas.space.space import SearchSpace, load_space
from evit_nas.tflite.runtime import KernelEvent, Session

EFFORT = Effort(
    networks=4, max_macs=4e7, large_networks=0, large_macs=4e7, round_seconds=0.0, min_runs=3, limit_seconds=60.0
)


class MadeUp:
    """Every kernel takes 10 us, every network 1 ms, the canary what `canary_us` says."""

    def __init__(self) -> None:
        self.facts = DeviceFacts(conditions=Conditions(device="host-00000000beef"), runtime_version="2.3.0")
        self.canary_us, self.problem, self.calls = 2000.0, "", 0
        self.die_after: int | None = None

    def time_us(self, model: bytes, *, seconds: float, min_runs: int) -> Floats:
        return np.full(min_runs, self.canary_us if model == protocol.canary_model() else 1000.0)

    def profile(self, model: bytes, *, seconds: float, min_runs: int) -> tuple[KernelEvent, ...]:
        self.calls += 1
        if self.die_after is not None and self.calls > self.die_after:
            raise KeyboardInterrupt
        with Session(model, profile=True) as session:
            return tuple(replace(event, samples_us=np.full(3, 10.0)) for event in session.profile(1, warmup=0))

    def disturbance(self) -> str:
        return self.problem


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return load_space("efficientvit-seg-small")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol.time, "sleep", lambda seconds: None)


def test_every_kernel_of_every_member_gets_one_row(tmp_path: Path, space: SearchSpace) -> None:
    reports: list[Progress] = []
    result = profile_device(MadeUp(), space, tables_dir=tmp_path, effort=EFFORT, progress=reports.append)
    table, networks = load_table(result.table), load_networks(result.table)
    kernels = [k.signature for n in networks for k in fuse(emit(n.arch, n.resolution)).kernels]
    assert {row.signature for row in table.rows} == {*kernels, GRAPH_SIGNATURE}
    assert table.lookup(kernels[0]).median_us == pytest.approx(10.5)  # cut off to whole microseconds: half a one more
    assert table.lookup(kernels[0]).timings % 3 == 0
    assert (result.rows, result.rows_new) == (len(table.rows), len(table.rows))
    assert [network.latency_ms for network in networks] == [1.0] * 4
    assert [report.networks_done for report in reports] == [1, 2, 3, 4]
    assert reports[-1].left_s == 0.0
    assert table.provenance.canary_us == 2000.0
    assert table.provenance.rows == len(table.rows)


def test_a_second_run_has_nothing_left_to_do(tmp_path: Path, space: SearchSpace) -> None:
    first = profile_device(MadeUp(), space, tables_dir=tmp_path, effort=EFFORT)
    device = MadeUp()
    second = profile_device(device, space, tables_dir=tmp_path, effort=EFFORT)
    assert (second.rows_new, second.networks_new, second.rows, device.calls) == (0, 0, first.rows, 0)


def test_an_interrupted_run_keeps_what_is_finished_and_goes_on(tmp_path: Path, space: SearchSpace) -> None:
    whole = profile_device(MadeUp(), space, tables_dir=tmp_path / "whole", effort=EFFORT)
    device = MadeUp()
    device.die_after = 3  # the bare graph and two members
    with pytest.raises(KeyboardInterrupt):
        profile_device(device, space, tables_dir=tmp_path / "cut", effort=EFFORT)
    rest = profile_device(MadeUp(), space, tables_dir=tmp_path / "cut", effort=EFFORT)
    assert rest.networks_new == 2
    assert load_table(rest.table).hash != ""
    assert {row.signature for row in load_table(rest.table).rows} == {
        row.signature for row in load_table(whole.table).rows
    }


def test_max_rows_ends_the_run_and_the_next_one_completes_it(tmp_path: Path, space: SearchSpace) -> None:
    part = profile_device(MadeUp(), space, tables_dir=tmp_path, effort=EFFORT, max_rows=7)
    assert (part.rows_new, part.networks) == (7, 0)
    whole = profile_device(MadeUp(), space, tables_dir=tmp_path / "other", effort=EFFORT)
    assert profile_device(MadeUp(), space, tables_dir=tmp_path, effort=EFFORT).rows == whole.rows


def test_a_machine_that_has_changed_is_said_so(tmp_path: Path, space: SearchSpace) -> None:
    profile_device(MadeUp(), space, tables_dir=tmp_path, effort=EFFORT, max_rows=7)
    slower = MadeUp()
    slower.canary_us = 2600.0
    result = profile_device(slower, space, tables_dir=tmp_path, effort=EFFORT)
    assert "1.30 times" in result.notes[0]
    rows = load_table(result.table).rows
    assert {round(row.canary, 3) for row in rows} == {1.0, 1.3}
    times = {round(row.median_us, 2) for row in rows if row.signature != GRAPH_SIGNATURE}
    assert times == {10.5, round(10.5 / 1.3, 2)}  # at the speed that the table was begun with
    assert "1.30 times" in load_table(result.table).notes[0]


def test_a_machine_that_is_always_busy_ends_the_run_with_its_rows(tmp_path: Path, space: SearchSpace) -> None:
    device = MadeUp()
    device.problem = "the core was taken away 50% of the time"
    many = replace(EFFORT, networks=MAX_SKIPPED + 3)
    with pytest.raises(DeviceError, match="taken away 50%"):
        profile_device(device, space, tables_dir=tmp_path, effort=many)
    assert device.calls > 0


def test_time_runs_out_as_planned(tmp_path: Path, space: SearchSpace) -> None:
    result = profile_device(MadeUp(), space, tables_dir=tmp_path, effort=replace(EFFORT, limit_seconds=0.0))
    assert result.networks == 0
    assert "as planned" in result.notes[0]


def test_a_table_of_another_runtime_is_not_continued(tmp_path: Path, space: SearchSpace) -> None:
    profile_device(MadeUp(), space, tables_dir=tmp_path, effort=EFFORT, max_rows=3)
    other = MadeUp()
    other.facts = replace(other.facts, runtime_version="2.4.0")
    with pytest.raises(TableError, match="runtime_version"):
        profile_device(other, space, tables_dir=tmp_path, effort=EFFORT)


def test_only_chosen_rows_are_kept_and_a_whole_run_adds_the_rest(tmp_path: Path, space: SearchSpace) -> None:
    member = plan_members(space, EFFORT, 0)[0]
    wanted = frozenset(list(dict.fromkeys(member_signatures(member)))[:5])
    asked: list[int] = []

    def choose(facts: DeviceFacts, rows: Sequence[Measurement], count: int) -> list[ChosenRows]:
        asked.append(count)
        return [ChosenRows(member=member, signatures=wanted)]

    few = profile_device(MadeUp(), space, tables_dir=tmp_path, effort=EFFORT, max_rows=6, choose_rows=choose)
    assert asked == [5]  # the bare graph is the sixth
    assert {row.signature for row in load_table(few.table).rows} == {*wanted, GRAPH_SIGNATURE}
    assert few.networks == 1
    rest = profile_device(MadeUp(), space, tables_dir=tmp_path, effort=EFFORT)
    whole = profile_device(MadeUp(), space, tables_dir=tmp_path / "other", effort=EFFORT)
    assert (rest.rows, rest.networks) == (whole.rows, whole.networks)


def test_effort_says_how_many_processes_and_what_is_short(tmp_path: Path, space: SearchSpace) -> None:
    device = MadeUp()
    effort = replace(EFFORT, networks=2, processes=(2, 2), short_us=20.0)
    result = profile_device(device, space, tables_dir=tmp_path, effort=effort)
    assert device.calls == 1 + 2 * 2  # the bare graph, two members in two processes each
    rows = [row for row in load_table(result.table).rows if row.signature != GRAPH_SIGNATURE]
    repeated = [row for row in rows if row.repeats == round(WHOLE_US / 10.5)]
    assert len(repeated) > 0.9 * len(rows)
    assert {row.median_us for row in repeated} != {10.5}
