from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evit_nas.errors import TableError
from evit_nas.graph.kernel import KernelGraph
from evit_nas.latency.predictor.features import axes
from evit_nas.latency.predictor.fit import fit_predictor
from evit_nas.latency.predictor.kernel_transfer import KnownDevice, own_rows, transferred_table, without_transferred
from evit_nas.latency.table.store import Table

WHEN = "2026-01-01T00:00:00+00:00"
FACTOR = 0.5


@pytest.fixture(scope="module")
def known(table: Table) -> KnownDevice:
    return KnownDevice(device="old", table=table, predictor=fit_predictor(table))


@pytest.fixture(scope="module")
def few(table: Table) -> Table:
    """A device that is twice as fast in everything, known by every tenth kernel."""
    rows = tuple(
        replace(row, median_us=FACTOR * row.median_us, low_us=FACTOR * row.low_us, high_us=FACTOR * row.high_us)
        for row in table.rows[::10]
    )
    return replace(table, rows=rows)


def test_the_table_is_full_and_says_what_is_measured(table: Table, few: Table, known: KnownDevice) -> None:
    outcome = transferred_table(few, known, [[row.signature for row in table.rows]], moment=WHEN)
    assert {row.signature for row in outcome.table.rows} == {row.signature for row in table.rows}
    assert own_rows(outcome.table) == few.rows
    assert outcome.transferred == len(table.rows) - len(few.rows)
    ratios = [outcome.table.lookup(row.signature).median_us / row.median_us for row in table.rows]
    np.testing.assert_allclose(ratios, FACTOR, rtol=1e-3)
    assert outcome.left_out_percent < 0.1
    assert "transferred from old" in outcome.table.provenance.notes[-1]
    assert outcome.table.provenance.network_spread is not None
    assert without_transferred(outcome.table).provenance.network_spread is None
    assert without_transferred(outcome.table).rows == few.rows


def test_a_prediction_tells_measured_from_transferred(
    table: Table, few: Table, known: KnownDevice, b0_graph: KernelGraph
) -> None:
    full = transferred_table(few, known, [[row.signature for row in table.rows]], moment=WHEN).table
    prediction = fit_predictor(full).predict(b0_graph)
    assert prediction.provenance == "transferred"
    assert 0 < prediction.shares["measured"] < prediction.shares["transferred"]
    assert prediction.coverage.measured == pytest.approx(prediction.shares["measured"])
    assert prediction.latency_ms == pytest.approx(FACTOR * fit_predictor(table).predict(b0_graph).latency_ms, rel=0.02)


def test_a_family_that_was_not_measured_counts_as_extrapolated(
    table: Table, few: Table, known: KnownDevice, b0_graph: KernelGraph
) -> None:
    rows = tuple(row for row in few.rows if row.signature.kind != "DEPTHWISE_CONV_2D")
    full = transferred_table(replace(few, rows=rows), known, [[row.signature for row in table.rows]], moment=WHEN).table
    predictor = fit_predictor(full)
    times = predictor.kernel_times_us(b0_graph.kernels)
    measured = {axes(row.signature).family for row in rows}
    unmeasured = [axes(kernel.signature).family not in measured for kernel in b0_graph.kernels]
    share = times[unmeasured].sum() / times.sum()
    assert predictor.predict(b0_graph).coverage.extrapolated == pytest.approx(share)
    assert share > 0.1


def test_a_fake_phone_stays_simulated(table: Table, few: Table, known: KnownDevice, b0_graph: KernelGraph) -> None:
    simulated = replace(few, rows=tuple(replace(row, provenance="simulated") for row in few.rows))
    full = transferred_table(simulated, known, [[row.signature for row in table.rows]], moment=WHEN).table
    prediction = fit_predictor(full).predict(b0_graph)
    assert prediction.provenance == "simulated"
    assert prediction.shares["transferred"] > prediction.shares["simulated"]


def test_a_second_transfer_takes_the_place_of_the_first(table: Table, few: Table, known: KnownDevice) -> None:
    signatures = [[row.signature for row in table.rows]]
    once = transferred_table(few, known, signatures, moment=WHEN).table
    twice = transferred_table(once, known, signatures, moment=WHEN).table
    assert twice.rows == once.rows
    assert sum(note.startswith("transferred from") for note in twice.provenance.notes) == 1


def test_nothing_is_carried_over_to_an_empty_table(table: Table, few: Table, known: KnownDevice) -> None:
    with pytest.raises(TableError, match="no kernel is measured"):
        transferred_table(replace(few, rows=()), known, [[table.rows[0].signature]], moment=WHEN)
