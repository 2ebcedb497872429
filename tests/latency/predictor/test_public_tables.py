from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evit_nas.graph.emit import emit
from evit_nas.graph.fuse import fuse
from evit_nas.latency.predictor.fit import fit_predictor
from evit_nas.latency.predictor.public_rows import PublicBlock, PublicRows
from evit_nas.latency.predictor.public_tables import NOTES, PHONES, PublicPhone, public_table
from evit_nas.latency.table.find import find_table, shipped_tables_dir
from evit_nas.latency.table.store import load_table, table_path, write_table
from evit_nas.space.arch import named_arch


@pytest.mark.parametrize("phone", PHONES, ids=lambda phone: phone.device)
def test_a_shipped_table_predicts_efficientvit_and_owns_up_to_what_it_has_not_seen(phone: PublicPhone) -> None:
    table = load_table(find_table(phone.device, shipped_tables_dir()))
    assert {row.provenance for row in table.rows} == {"measured (public)"}
    assert "MIT" in table.provenance.source
    prediction = fit_predictor(table).predict(fuse(emit(named_arch("b0"), (512, 1024))))
    assert 10 < prediction.latency_ms < 2000
    assert prediction.low_ms < 0.9 * prediction.latency_ms
    assert prediction.coverage.extrapolated > 0.1


def test_a_table_of_inferred_rows_is_written_and_read_back(tmp_path: Path) -> None:
    blocks = tuple(
        PublicBlock("conv", side, cin, cout, expand, stride, 3, 0)
        for side in (16, 32)
        for cin in (16, 24)
        for cout in (16, 32)
        for expand in (2, 4)
        for stride in (1, 2)
    )
    ms = np.array([b.hw_in**2 * b.cin * b.expand * (b.cin + 9 + b.cout) * 6e-8 + 0.02 for b in blocks])
    table = public_table(PHONES[1], PublicRows(blocks, ms))
    path = table_path(tmp_path, table.conditions)
    write_table(table, path)
    again = load_table(path)
    assert [row.signature for row in again.rows] == [row.signature for row in table.rows]
    assert set(NOTES) <= set(again.notes)
    assert all(row.low_us < row.median_us < row.high_us for row in again.rows)


def test_rows_inferred_from_blocks_are_less_sure_than_timed_ones() -> None:
    table = load_table(find_table("sd888", shipped_tables_dir()))
    timed = replace(table, rows=tuple(replace(row, provenance="measured") for row in table.rows))
    graph = fuse(emit(named_arch("b1-cls"), (224, 224)))
    inferred, sure = (fit_predictor(each).predict(graph) for each in (table, timed))
    assert inferred.latency_ms == pytest.approx(sure.latency_ms)
    assert inferred.high_ms / inferred.low_ms > sure.high_ms / sure.low_ms
