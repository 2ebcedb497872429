from __future__ import annotations

from dataclasses import replace

from evit_nas.latency.predictor.inversions import inversions
from evit_nas.latency.table.store import Table


def test_a_smooth_table_has_none(table: Table) -> None:
    assert inversions(table.rows) == ()


def test_a_kernel_that_is_much_too_slow_contradicts_the_larger_ones(table: Table) -> None:
    kernels = [row for row in table.rows if row.signature.kind == "DEPTHWISE_CONV_2D"]
    slow = min(kernels, key=lambda row: row.median_us)
    changed = replace(slow, median_us=1e6, low_us=0.9e6, high_us=1.1e6)
    found = inversions([changed if row is slow else row for row in table.rows])
    assert found
    assert {item.smaller.signature for item in found} == {slow.signature}
    assert found[0].ratio == max(item.ratio for item in found) > 100


def test_wide_intervals_excuse(table: Table) -> None:
    rows = [replace(row, low_us=row.median_us / 1e3, high_us=row.median_us * 1e3) for row in table.rows]
    assert inversions(rows) == ()
