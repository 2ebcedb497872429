"""A few rows of one fake phone, and the rest carried over from another, through the real adb client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evit_nas.errors import InputError
from evit_nas.fakephone.benchmark.costing import times_us
from evit_nas.fakephone.benchmark.kernels import kernels_of as kernels_of_file
from evit_nas.fakephone.benchmark.model_file import read_model
from evit_nas.fakephone.cost_model import DEFAULT, CostModel, KindCost
from evit_nas.fakephone.testing import RunningPhone, fake_phone
from evit_nas.graph.emit import emit
from evit_nas.graph.lowering import OURS
from evit_nas.latency.measurement import Conditions
from evit_nas.latency.predictor.kernel_transfer import own_rows
from evit_nas.latency.profiler import plan, protocol
from evit_nas.latency.profiler.devices.adb import run_adb
from evit_nas.latency.profiler.devices.base import DeviceFacts
from evit_nas.latency.profiler.phone import PHONE_QUICK, profile_phone
from evit_nas.latency.table.store import load_table
from evit_nas.space.dimension import Candidate
from evit_nas.space.space import load_space
from evit_nas.tflite.weights import fill_random
from evit_nas.tflite.writer import write
from evit_nas.workflows import few_rows
from evit_nas.workflows.few_rows import unfit
from evit_nas.workflows.latency import kernels_of, open_device
from evit_nas.workflows.profile import profile
from evit_nas.workflows.results import ProfileResult

pytestmark = pytest.mark.slow
SPACE = "efficientvit-seg-small"
CALM = replace(DEFAULT, throttle=None)
SLOWER = replace(
    CALM,
    kinds={
        kind: KindCost(fixed_us=cost.fixed_us, per_mac_ns=2 * cost.per_mac_ns, per_byte_ns=1.4 * cost.per_byte_ns)
        for kind, cost in DEFAULT.kinds.items()
    },
)


@pytest.fixture(scope="module", autouse=True)
def _own_adb_server(
    tmp_path_factory: pytest.TempPathFactory, adb_server: Callable[[Path], AbstractContextManager[None]]
) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, adb_server(tmp_path_factory.mktemp("home")):
        patch.setattr(protocol, "FRESH_LOOKS", 5)
        patch.setattr(few_rows, "PHONE_FULL", replace(PHONE_QUICK, networks=12))
        patch.setattr(plan, "FEW_OPTIONS", 12)
        yield


@contextmanager
def plugged_in(soc: str, model: CostModel) -> Iterator[RunningPhone]:
    with fake_phone(soc, cost_model=model) as phone:
        run_adb(["connect", phone.address])
        try:
            yield phone
        finally:
            run_adb(["disconnect", phone.address])


def exact_ms(member: Candidate) -> float:
    """What the slower phone's cost model says."""
    model = write(fill_random(emit(member.arch, member.resolution), seed=0))
    return (SLOWER.graph_us + sum(times_us(kernels_of_file(read_model(model)), SLOWER))) / 1e3


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 250 rows of one phone, and 15 of a slower one beside what they say of its others."""
    folder = tmp_path_factory.mktemp("tables")
    with plugged_in("sm8350", CALM) as phone:
        profile_phone(
            phone.address, load_space(SPACE), tables_dir=folder, allow_simulated=True, quick=True, max_rows=250
        )
    return folder


@pytest.fixture(scope="module")
def few(tables: Path) -> ProfileResult:
    with plugged_in("sm8450", SLOWER) as phone:
        return profile(phone.address, space=SPACE, quick=True, rows=15, tables=tables)


def test_few_rows_make_a_full_table(few: ProfileResult) -> None:
    table = load_table(few.table)
    assert (few.rows_new, few.transferred_from) == (15, "sm8350")
    assert len(own_rows(table)) == 14  # the bare graph is one of the fifteen
    assert few.rows == len(table.rows) == 15 + (few.transferred or 0)
    assert few.coverage > 0.7  # families of which no row was measured count as extrapolated
    assert any(note.startswith("transferred from sm8350") for note in table.provenance.notes)


def test_a_network_is_predicted_from_it_with_its_origin(few: ProfileResult, tables: Path) -> None:
    predictor = open_device("sm8450", tables=tables).predictor
    members = load_space(SPACE).sample(3, 10)
    graphs = [kernels_of(member.arch, member.resolution, OURS) for member in members]
    found = [predictor.predict(graph) for graph in graphs]
    ratios = [one.latency_ms / exact_ms(member) for one, member in zip(found, members, strict=True)]
    assert 0.9 < np.median(ratios) < 1.1
    assert {one.provenance for one in found} == {"simulated"}
    assert min(one.shares["transferred"] for one in found) > 0.5
    assert all(one.low_ms < one.latency_ms < one.high_ms for one in found)


def test_a_later_profile_goes_on_and_drops_what_was_carried_over(
    few: ProfileResult, tables: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with plugged_in("sm8450", SLOWER) as phone:
        more = profile(phone.address, space=SPACE, quick=True, rows=5, tables=tables)
        assert (more.rows_new, more.transferred_from) == (5, "sm8350")
        monkeypatch.setattr(few_rows, "ENOUGH_ROWS", 22)
        last = profile(phone.address, space=SPACE, quick=True, rows=5, tables=tables)
    assert last.transferred is None
    assert {row.provenance for row in load_table(last.table).rows} == {"simulated"}
    assert last.rows == 25


def test_a_known_device_that_does_not_serve_is_refused(tables: Path, tmp_path: Path) -> None:
    source = load_table(next((tables / "sm8350").glob("*t1-fp32.csv")))
    real = DeviceFacts(conditions=Conditions(device="sm8450"), provenance="measured")
    assert "fake phone" in unfit(source, real)
    assert "own" in unfit(
        source, replace(real, conditions=source.conditions, host_fingerprint=source.provenance.host_fingerprint)
    )
    assert "at least" in unfit(replace(source, rows=source.rows[:20]), replace(real, provenance="simulated"))


def test_from_needs_a_phone_and_rows(tmp_path: Path) -> None:
    for device, rows in (("host", 10), ("sm8450", None)):
        with pytest.raises(InputError, match="--from"):
            profile(device, rows=rows, source="sd888", tables=tmp_path)


def test_an_unknown_source_is_named_before_anything_is_measured(tables: Path, tmp_path: Path) -> None:
    with plugged_in("sm8450", SLOWER) as phone, pytest.raises(InputError, match="sd999"):
        profile(phone.address, space=SPACE, rows=10, source="sd999", tables=tmp_path)
    assert not list(tmp_path.rglob("*.csv"))
