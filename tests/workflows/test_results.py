"""`to_json` gives plain finite values and absolute paths, or raises."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from evit_nas.workflows.results import CoverageShares, Parity, PredictResult, ProfileResult


def predicted(latency_ms: float) -> PredictResult:
    return PredictResult(
        latency_ms=latency_ms,
        low_ms=1.0,
        high_ms=3.0,
        provenance="measured",
        shares={"measured": 1.0},
        coverage=CoverageShares(measured=1.0, interpolated=0.0, extrapolated=0.0),
        device="host-1",
        table=Path("t.csv"),
        lowering="ours",
        threads=1,
    )


def test_keys_are_the_fields_and_optional_ones_are_left_out() -> None:
    document = predicted(2.0).to_json()
    assert {"latency_ms", "low_ms", "high_ms", "provenance", "shares", "coverage"} <= set(document)
    assert "breakdown" not in document
    assert document["coverage"] == {"measured": 1.0, "interpolated": 0.0, "extrapolated": 0.0}
    assert document["resolution"] is None


def test_numpy_numbers_and_paths_become_plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = ProfileResult(
        table=Path("t.csv"), rows=np.int64(3), rows_new=0, coverage=np.float32(0.5), device="d", seconds=1.0
    )  # type: ignore[arg-type]
    document = json.loads(json.dumps(result.to_json()))
    assert document["table"] == str(tmp_path / "t.csv")
    assert (document["rows"], document["coverage"]) == (3, 0.5)


@pytest.mark.parametrize("value", [math.nan, math.inf, np.float64("nan")])
def test_a_number_that_is_not_finite_is_named(value: float) -> None:
    with pytest.raises(ValueError, match=r"PredictResult\.latency_ms is .*nan|inf"):
        predicted(value).to_json()


def test_an_object_of_no_plain_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="finite numbers only"):
        predicted(complex(1, 2)).to_json()  # type: ignore[arg-type]


def test_results_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Parity(max_abs_error=0.0, max_rel_error=0.0).max_abs_error = 1.0  # type: ignore[misc]
