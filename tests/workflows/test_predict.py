"""Predictions through the public function."""

from __future__ import annotations

import pytest

import evit_nas
from evit_nas.errors import InputError, MissingCostError, TableError
from evit_nas.graph.lowering import OURS
from evit_nas.latency.measurement import Conditions, Measurement
from evit_nas.latency.table.schema import TableProvenance
from evit_nas.latency.table.store import Table, table_path, write_table
from evit_nas.space.arch import named_arch
from evit_nas.workflows import latency
from evit_nas.workflows.latency import kernels_of


def test_published_row_is_close_and_labelled():
    result = evit_nas.predict("b0", resolution=(960, 1920))
    assert result.latency_ms == pytest.approx(200, rel=0.05)
    assert result.low_ms < result.latency_ms < result.high_ms
    assert result.provenance == "calibrated"
    assert result.lowering == "authors"
    assert sum((result.coverage.measured, result.coverage.interpolated, result.coverage.extrapolated)) == pytest.approx(
        1
    )


def test_breakdown_sums_to_the_prediction():
    result = evit_nas.predict("b1", resolution=(448, 896), breakdown=True)
    assert result.breakdown is not None
    assert sum(part.latency_ms for part in result.breakdown) == pytest.approx(result.latency_ms, rel=1e-6)
    assert {part.stage for part in result.breakdown} >= {"stem", "stage1", "stage4", "head"}


def test_other_lowering_is_labelled():
    result = evit_nas.predict("b0", resolution=(512, 1024), lowering="ours")
    assert any("labelled estimate" in note for note in result.notes)


def test_an_arch_file_brings_its_resolution(tmp_path):
    (path,) = evit_nas.space("efficientvit-seg-small", sample=1, seed=4, out=tmp_path).files
    result = evit_nas.predict(path)
    assert result.resolution is not None
    assert evit_nas.predict(path, resolution=(64, 64)).resolution == "64x64"


def test_strict_names_the_gap():
    with pytest.raises(MissingCostError, match="outside of the table"):
        evit_nas.predict("b0", resolution=(512, 1024), upsample="bicubic", lowering="ours", strict=True)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"arch": "b9", "resolution": (512, 1024)}, InputError, "b9"),
        ({"arch": "b0"}, InputError, "--resolution"),
        ({"arch": "b0", "resolution": (500, 1000)}, InputError, "512x992"),
        ({"arch": "b0", "resolution": (512, 1024), "device": "sm9999"}, TableError, "sm9999"),
        ({"arch": "b0", "resolution": (512, 1024), "upsample": "nearest"}, InputError, "upsample"),
        ({"arch": "missing.tflite"}, InputError, "missing.tflite"),
    ],
)
def test_bad_input_is_one_line(options, error, words):
    with pytest.raises(error, match=words) as caught:
        evit_nas.predict(**options)
    assert "\n" not in str(caught.value)


def test_host_without_a_table_names_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(latency, "host_fingerprint", lambda: "host-000000000000")  # this machine may have a table
    with pytest.raises(TableError, match="evit-nas profile --device host"):
        evit_nas.predict("b0", resolution=(512, 1024), device="host")


def test_merged_rows_of_a_profiled_phone_stand_beside_the_calibration(tmp_path):
    arch, size = named_arch("b0"), (512, 1024)
    kernels = kernels_of(arch, size, OURS).kernels
    rows = tuple(
        Measurement(
            signature=signature,
            timings=50,
            median_us=100.0,
            low_us=98.0,
            high_us=102.0,
            repeats=1,
            canary=1.0,
            measured_at="2026-11-01T00:00:00+00:00",
        )
        for signature in dict.fromkeys(kernel.signature for kernel in kernels[: len(kernels) // 2])
    )
    conditions = Conditions(device="sm8450", core="prime")
    write_table(Table(provenance=TableProvenance(conditions=conditions), rows=rows), table_path(tmp_path, conditions))
    merged = evit_nas.predict("b0", resolution=size, device="sm8450", tables=tmp_path, merge=True)
    assert merged.lowering == "ours"
    assert merged.provenance == "calibrated"
    assert merged.shares["measured"] > 0.05
    assert merged.shares["calibrated"] == pytest.approx(1 - merged.shares["measured"])
    alone = evit_nas.predict("b0", resolution=size, device="sm8450", tables=tmp_path)
    assert set(alone.shares) == {"measured"}
