"""Older builds of benchmark_model and LiteRT's tool of that name, asked over adb: the same table from each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from evit_nas.fakephone.benchmark.dialects import LITERT, OLDER
from evit_nas.fakephone.program import Program
from evit_nas.fakephone.programs import TOOLS
from evit_nas.fakephone.testing import fake_phone
from evit_nas.graph.kernel import GRAPH_KIND
from evit_nas.latency.profiler.devices.adb import run_adb
from evit_nas.latency.profiler.phone import profile_phone
from evit_nas.latency.table.store import Table, load_table
from evit_nas.space.space import load_space

pytestmark = pytest.mark.usefixtures("own_adb_server")


def profiled(tools: Mapping[str, Program], tables: Path) -> Table:
    with fake_phone(tools=tools) as phone:
        run_adb(["connect", phone.address])
        done = profile_phone(
            phone.address,
            load_space("efficientvit-seg-small"),
            tables_dir=tables,
            allow_simulated=True,
            quick=True,
            max_rows=30,
        )
        run_adb(["disconnect", phone.address])
    return load_table(done.result.table)


@pytest.fixture(scope="module")
def newest(own_adb_server: None, tmp_path_factory: pytest.TempPathFactory) -> Table:
    return profiled(TOOLS, tmp_path_factory.mktemp("newest"))


@pytest.mark.parametrize(
    ("tools", "name"),
    [pytest.param(OLDER, "classic", id="older"), pytest.param(LITERT, "litert", id="litert", marks=pytest.mark.slow)],
)
def test_each_tool_gives_the_same_table(tools: Mapping[str, Program], name: str, newest: Table, tmp_path: Path) -> None:
    table = profiled(tools, tmp_path)
    assert table.provenance.runtime_version == f"benchmark_model ({name})"
    assert [row.signature for row in table.rows] == [row.signature for row in newest.rows]
    for row, other in zip(table.rows, newest.rows, strict=True):
        if row.signature.kind != GRAPH_KIND:
            assert row.median_us == pytest.approx(other.median_us, rel=0.1, abs=1.0)
