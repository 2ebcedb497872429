"""Row strips from evidence: what is tried, what is chosen, and what is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evit_nas.errors import TableError
from evit_nas.graph.blocks import MBConv, Placed
from evit_nas.graph.lowering import PLAIN, chains
from evit_nas.latency.profiler import lock
from evit_nas.latency.schedules import (
    MIN_BYTES,
    NetworkCheck,
    ScheduleEvidence,
    candidate_strips,
    chain_key,
    evidence_path,
    load_evidence,
    measure_chain,
    save_evidence,
    with_chain,
    with_check,
)
from evit_nas.space.arch import named_arch

WIDE = MBConv(256, 512, 8, 16, 4, 3, 2, "hswish", False, False)
LARGE = Placed(WIDE, "block", "stage1", (-1,))
B0, SIZE = named_arch("b0"), (1024, 2048)


def _evidence(ratio: float) -> ScheduleEvidence:
    """Every chain in strips takes `ratio` of its plain time; more strips a little more."""
    evidence = ScheduleEvidence()
    for chain in chains(B0, SIZE, MIN_BYTES):
        times = {count: 1000.0 if count == 1 else 1000.0 * ratio + count for count in candidate_strips(chain)}
        evidence = with_chain(evidence, chain, times)
    return evidence


def test_strips_are_tried_by_the_widest_map() -> None:
    narrow = replace(LARGE, block=replace(WIDE, cin=2))
    assert candidate_strips([LARGE]) == (1, 4, 8, 15)  # 16.8 MB
    assert candidate_strips([narrow]) == (1, 2, 4)
    assert candidate_strips([narrow, LARGE]) == candidate_strips([LARGE])


def test_the_fastest_form_of_each_chain_is_chosen() -> None:
    chosen = _evidence(0.7).schedule(B0, SIZE)
    found = {tuple(item.path for item in chain): chain for chain in chains(B0, SIZE, MIN_BYTES)}
    assert {group.paths for group in chosen.groups} == set(found)
    for group in chosen.groups:
        assert group.strips == candidate_strips(found[group.paths])[1]


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
        '{"schema": 9, "chains": {}, "networks": {}}',
        '{"schema": 2, "chains": {"a": {"1": -3}}, "networks": {}}',
    ],
)
def test_damaged_evidence_is_one_line(tmp_path: Path, text: str) -> None:
    table = tmp_path / "t.csv"
    evidence_path(table).write_text(text)
    with pytest.raises(TableError, match=r"t\.schedule\.json: damaged") as caught:
        load_evidence(table)
    assert "\n" not in str(caught.value)


def test_evidence_by_block_is_measured_anew(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    evidence_path(table).write_text('{"schema": 1, "blocks": {"a": {"1": 3, "2": 2}}, "networks": {}}')
    assert load_evidence(table) == ScheduleEvidence()


def test_equal_chains_have_one_key() -> None:
    other = replace(LARGE, block=replace(WIDE, stride=1))
    assert chain_key([LARGE, other]) == chain_key([replace(LARGE, path="elsewhere"), other])
    assert len({chain_key(chain) for chain in ([LARGE], [other], [LARGE, other], [other, LARGE])}) == 4


def test_a_chain_is_measured_in_each_form(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(lock, "lock_path", lambda: tmp_path / "machine.lock")
    first = replace(LARGE, block=replace(WIDE, height=128, width=512))
    second = replace(LARGE, block=MBConv(64, 256, 16, 16, 4, 3, 1, "hswish", False, True))
    times = measure_chain([first, second])
    assert tuple(times) == candidate_strips([first, second])
    assert all(us > 0 for us in times.values())
