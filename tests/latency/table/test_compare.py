"""Differences between tables, and merging without mixing what must not mix."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evit_nas.errors import TableError
from evit_nas.graph.kernel import KernelSignature, TensorType
from evit_nas.latency.measurement import Conditions, Measurement
from evit_nas.latency.table.compare import diff_tables, differing_conditions, merge_tables
from evit_nas.latency.table.schema import TableProvenance
from evit_nas.latency.table.store import Table


def row(size: int, median_us: float, provenance: str = "measured", when: str = "2026-01-01T00:00:00") -> Measurement:
    shape = TensorType((1, 8, 8, size))
    return Measurement(
        signature=KernelSignature("HARD_SWISH", (shape,), (shape,)),
        timings=9,
        median_us=median_us,
        low_us=median_us * 0.99,
        high_us=median_us * 1.01,
        repeats=1,
        canary=1.0,
        measured_at=when,
        provenance=provenance,  # type: ignore[arg-type]
    )


def table(*rows: Measurement, threads: int = 1, **provenance: object) -> Table:
    document = TableProvenance(conditions=Conditions(device="sm8450", threads=threads))
    return Table(provenance=document.model_copy(update=provenance), rows=rows)


def test_a_common_shift_is_drift() -> None:
    before = table(*(row(size, 10.0 * size) for size in range(1, 20)))
    after = table(*(row(size, 10.6 * size) for size in range(1, 20)))
    diff = diff_tables(before, after)
    assert diff.drift
    assert diff.median_ratio == pytest.approx(1.06)
    assert len(diff.changed) == diff.common == 19


def test_one_changed_kernel_is_not_drift() -> None:
    before = table(*(row(size, 10.0 * size) for size in range(1, 20)))
    after = table(*(row(size, 10.0 * size * (2 if size == 7 else 1)) for size in range(1, 21)))
    diff = diff_tables(before, after)
    assert not diff.drift
    assert [changed.ratio for changed in diff.changed] == [2.0]
    assert (diff.only_a, len(diff.only_b)) == ((), 1)


def test_tables_without_a_common_kernel_have_no_ratio() -> None:
    diff = diff_tables(table(row(1, 5.0)), table(row(2, 5.0), threads=2))
    assert (diff.median_ratio, diff.drift, diff.common) == (None, False, 0)
    assert diff.conditions == ("threads",)


def test_merging_takes_the_strongest_then_the_latest_row() -> None:
    old, new = row(1, 10.0), row(1, 11.0, when="2026-02-01T00:00:00")
    guess, real = row(2, 20.0, "calibrated", when="2026-03-01T00:00:00"), row(2, 22.0)
    calibrated = table(old, guess, coefficients={"a": 1.0})
    merged = merge_tables([table(new, real), calibrated])
    assert {r.signature.key: r for r in merged.rows} == {r.signature.key: r for r in (new, real)}
    assert merged.provenance.coefficients == {"a": 1.0}


def test_other_conditions_runtimes_and_simulated_rows_do_not_merge() -> None:
    with pytest.raises(TableError, match="threads 2"):
        merge_tables([table(row(1, 5.0)), table(row(1, 5.0), threads=2)])
    with pytest.raises(TableError, match="runtime_hash"):
        merge_tables([table(row(1, 5.0), runtime_hash="a"), table(row(1, 5.0), runtime_hash="b")])
    with pytest.raises(TableError, match="simulated"):
        merge_tables([table(row(1, 5.0)), table(replace(row(2, 5.0), provenance="simulated"))])


CALIBRATION = {"coefficients": {"a": 1.0}, "calibration": {"model_sd": 0.02}}


def calibration(*, core: str = "x2", threads: int = 1) -> Table:
    conditions = Conditions(device="sm8450", core=core, threads=threads, lowering="authors")
    return table(conditions=conditions, source="published", **CALIBRATION)


def profiled(core: str = "prime", provenance: str = "measured") -> Table:
    return table(row(1, 5.0, provenance), conditions=Conditions(device="sm8450", core=core), runtime_hash="a")


def test_a_calibration_stands_beside_the_rows_of_the_same_cores() -> None:
    for tables in ((profiled(), calibration()), (calibration(), profiled())):
        merged = merge_tables(tables)
        assert (merged.conditions.core, merged.conditions.lowering) == ("prime", "ours")
        assert merged.rows == profiled().rows
        assert merged.provenance.calibration == CALIBRATION["calibration"]
        assert merged.provenance.source == "published"


def test_a_calibration_of_other_cores_or_threads_and_simulated_rows_stay_apart() -> None:
    assert differing_conditions(profiled("big"), calibration()) == ("core",)
    assert differing_conditions(profiled(), calibration(threads=4)) == ("threads",)
    with pytest.raises(TableError, match="core"):
        merge_tables([profiled("big"), calibration()])
    with pytest.raises(TableError, match="simulated"):
        merge_tables([profiled(provenance="simulated"), calibration()])
