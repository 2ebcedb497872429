"""Predictions through the public function."""

from __future__ import annotations

import pytest

import evit_nas
from evit_nas.errors import InputError, MissingCostError, TableError


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
    with pytest.raises(TableError, match="evit-nas profile --device host"):
        evit_nas.predict("b0", resolution=(512, 1024), device="host")
