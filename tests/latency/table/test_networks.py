"""Whole networks are kept as durably as kernels, and come back as the same architectures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evit_nas.errors import TableError
from evit_nas.latency.measurement import NetworkMeasurement
from evit_nas.latency.table.find import find_tables
from evit_nas.latency.table.networks import NetworkWriter, load_networks, networks_path
from evit_nas.space.arch import named_arch

ROW = NetworkMeasurement(
    arch=named_arch("b0"),
    resolution=(512, 1024),
    latency_ms=35.25,
    low_ms=35.0,
    high_ms=35.5,
    runs=24,
    canary=1.002,
    measured_at="2026-01-01T00:00:00+00:00",
)
NAMED = ("b0", "b1", "b2-ade20k", "b3-cls")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "host-0123456789ab" / "litert-xnnpack-any-t1-fp32.csv"


def test_networks_come_back_as_they_were(table: Path) -> None:
    rows = tuple(replace(ROW, arch=named_arch(name), resolution=(224, 224)) for name in NAMED)
    with NetworkWriter(table) as writer:
        for row in rows:
            assert not writer.has(row.arch, row.resolution)
            writer.append(row)
            assert writer.has(row.arch, row.resolution)
        assert not writer.has(rows[0].arch, (256, 224))
    assert load_networks(table) == rows
    with NetworkWriter(table) as again:
        assert again.rows == rows


def test_no_file_is_no_network(table: Path) -> None:
    assert load_networks(table) == ()


def test_the_networks_file_is_no_table(table: Path) -> None:
    with NetworkWriter(table) as writer:
        writer.append(ROW)
    assert find_tables("host-0123456789ab", table.parent.parent) == ()


def test_a_changed_row_is_named(table: Path) -> None:
    with NetworkWriter(table) as writer:
        writer.append(ROW)
    path = networks_path(table)
    path.write_text(path.read_text().replace("35.25", "15.25"))
    with pytest.raises(TableError, match=r"networks\.csv:2: the row was changed"):
        load_networks(table)


def test_a_cut_last_row_is_dropped_and_measured_again(table: Path) -> None:
    with NetworkWriter(table) as writer:
        writer.append(ROW)
        writer.append(replace(ROW, resolution=(256, 512)))
    path = networks_path(table)
    path.write_bytes(path.read_bytes()[:-20])
    assert load_networks(table) == (ROW,)
    with NetworkWriter(table) as again:
        assert not again.has(ROW.arch, (256, 512))
        again.append(replace(ROW, resolution=(256, 512)))
    assert len(load_networks(table)) == 2


@pytest.mark.parametrize("latency_ms", [0.0, -1.0, float("nan"), 99.0])
def test_illegal_latencies_are_refused_at_the_writer(table: Path, latency_ms: float) -> None:
    with NetworkWriter(table) as writer, pytest.raises(TableError, match="latency_ms"):
        writer.append(replace(ROW, latency_ms=latency_ms))
