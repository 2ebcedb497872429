"""Row strips from evidence: what is tried, what is chosen, and what is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evit_nas.errors import TableError
from evit_nas.graph.blocks import HeadAdd, MBConv, layout
from evit_nas.graph.lowering import PLAIN
from evit_nas.latency.profiler import lock
from evit_nas.latency.schedules import (
    NetworkCheck,
    ScheduleEvidence,
    block_key,
    candidate_strips,
    evidence_path,
    load_evidence,
    measure_block,
    save_evidence,
    with_block,
    with_check,
)
from evit_nas.space.arch import named_arch

LARGE = MBConv(256, 512, 8, 16, 4, 3, 2, "hswish", False, False)
B0, SIZE = named_arch("b0"), (1024, 2048)


def _evidence(ratio: float) -> ScheduleEvidence:
    """Every block in strips takes `ratio` of its plain time; more strips a little more."""
    evidence = ScheduleEvidence()
    for item in layout(B0, SIZE):
        counts = candidate_strips(item.block)
        if len(counts) > 1:
            times = {count: 1000.0 if count == 1 else 1000.0 * ratio + count for count in counts}
            evidence = with_block(evidence, item.block, times)
    return evidence


def test_only_large_blocks_with_strips_are_tried() -> None:
    assert candidate_strips(LARGE)[0] == 1
    assert len(candidate_strips(LARGE)) > 2
    assert candidate_strips(replace(LARGE, height=16, width=16)) == (1,)
    assert candidate_strips(HeadAdd(512, 1024, 64, 3)) == (1,)


def test_the_fastest_form_of_each_block_is_chosen() -> None:
    chosen = _evidence(0.7).schedule(B0, SIZE)
    assert chosen != PLAIN
    for path, count in chosen.strips:
        block = next(item.block for item in layout(B0, SIZE) if item.path == path)
        assert count == candidate_strips(block)[1]


def test_no_gain_and_no_evidence_mean_plain() -> None:
    assert _evidence(0.99).schedule(B0, SIZE) == PLAIN
    assert ScheduleEvidence().schedule(B0, SIZE) == PLAIN


def test_a_network_that_came_out_slower_stays_plain() -> None:
    slower = NetworkCheck(plain_ms=100.0, chosen_ms=101.0, predicted_gain=0.2)
    assert with_check(_evidence(0.7), B0, SIZE, slower).schedule(B0, SIZE) == PLAIN


def test_evidence_survives_the_disk(tmp_path: Path) -> None:
    table = tmp_path / "litert-xnnpack-any-t1-fp32.csv"
    assert load_evidence(table) == ScheduleEvidence()
    evidence = with_check(_evidence(0.7), B0, SIZE, NetworkCheck(plain_ms=100.0, chosen_ms=80.0, predicted_gain=0.21))
    save_evidence(table, evidence)
    assert load_evidence(table) == evidence


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"schema": 9, "blocks": {}, "networks": {}}',
        '{"schema": 1, "blocks": {"a": {"1": -3}}, "networks": {}}',
    ],
)
def test_damaged_evidence_is_one_line(tmp_path: Path, text: str) -> None:
    table = tmp_path / "t.csv"
    evidence_path(table).write_text(text)
    with pytest.raises(TableError, match=r"t\.schedule\.json: damaged") as caught:
        load_evidence(table)
    assert "\n" not in str(caught.value)


def test_equal_blocks_have_one_key() -> None:
    assert block_key(LARGE) == block_key(replace(LARGE))
    assert block_key(LARGE) != block_key(replace(LARGE, stride=1))


def test_a_block_is_measured_in_each_form(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(lock, "lock_path", lambda: tmp_path / "machine.lock")
    block = replace(LARGE, height=128, width=512)
    times = measure_block(block)
    assert tuple(times) == candidate_strips(block)
    assert all(us > 0 for us in times.values())
