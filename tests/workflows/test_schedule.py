"""Choosing row strips on this machine: measured once, checked on the whole network, never slower than plain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import evit_nas
from evit_nas.errors import InputError, TableError
from evit_nas.graph.block_kernels import block_kernels
from evit_nas.graph.blocks import Placed, layout
from evit_nas.graph.cost import peak_activation_bytes
from evit_nas.graph.emit import emit
from evit_nas.graph.lowering import OURS, PLAIN, strip_schedule
from evit_nas.latency.schedules import ScheduleEvidence, candidate_strips, load_evidence, with_chain
from evit_nas.space.arch import named_arch
from evit_nas.workflows import schedule as module
from evit_nas.workflows.schedule import host_schedule, predicted_gain

B0, SIZE = named_arch("b0"), (1024, 2048)


class _Machine:
    """Strips take 0.8 of a chain's time, and the network `network` of its plain time."""

    def __init__(self, network: float) -> None:
        self.network = network
        self.chains = 0

    def measure_chain(self, chain: tuple[Placed, ...], *, threads: int) -> dict[int, float]:
        self.chains += 1
        return {count: 1000.0 if count == 1 else 800.0 + count for count in candidate_strips(chain)}

    def interleaved_us(self, models: list[bytes], *, threads: int) -> np.ndarray:
        return np.array([[10000.0, 10000.0 * self.network]] * 3)


def _on(machine: _Machine, monkeypatch: pytest.MonkeyPatch, table: Path) -> None:
    monkeypatch.setattr(module, "find_table", lambda *_, **__: table)
    monkeypatch.setattr(module, "measure_chain", machine.measure_chain)
    monkeypatch.setattr(module, "interleaved_us", machine.interleaved_us)


def test_strips_are_chosen_by_chain_and_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine, table = _Machine(0.85), tmp_path / "t.csv"
    _on(machine, monkeypatch, table)
    chosen = host_schedule(B0, SIZE)
    assert chosen is not None
    assert chosen != PLAIN
    measured = machine.chains
    assert 0 < measured < len(chosen.groups)  # equal blocks of a stage are one chain
    assert host_schedule(B0, SIZE) == chosen
    assert machine.chains == measured
    (check,) = load_evidence(table).networks.values()
    assert check.gain == pytest.approx(0.15)


def test_a_network_that_is_slower_in_strips_stays_plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _on(_Machine(1.02), monkeypatch, tmp_path / "t.csv")
    assert host_schedule(B0, SIZE) == PLAIN
    assert host_schedule(B0, SIZE) == PLAIN


def test_without_a_table_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_table(*_: object, **__: object) -> Path:
        raise TableError("no table")

    monkeypatch.setattr(module, "find_table", no_table)
    assert host_schedule(B0, SIZE) is None


class _Flat:
    """A predictor for which every kernel takes a microsecond."""

    def kernel_times_us(self, kernels: tuple[object, ...]) -> np.ndarray:
        return np.ones(len(kernels))


def test_the_gain_is_that_of_the_groups_weighted_by_their_time() -> None:
    chosen = strip_schedule(B0, SIZE)
    placed = layout(B0, SIZE)
    evidence = ScheduleEvidence()
    for group in chosen.groups:
        chain = [item for item in placed if item.path in group.paths]
        evidence = with_chain(evidence, chain, {1: 1000.0, group.strips: 500.0})
    gain = predicted_gain(evidence, _Flat(), B0, SIZE, chosen)  # type: ignore[arg-type]
    kernels = {item.path: len(block_kernels(item.block, OURS)) for item in placed}
    in_strips = sum(kernels[path] for group in chosen.groups for path in group.paths)
    assert gain == pytest.approx(0.5 * in_strips / sum(kernels.values()))
    assert predicted_gain(ScheduleEvidence(), _Flat(), B0, SIZE, chosen) is None  # type: ignore[arg-type]


def test_predict_takes_strips_and_says_what_they_rest_on() -> None:
    plain = evit_nas.predict("b0", resolution=SIZE, lowering="ours", schedule="auto")
    strips = evit_nas.predict("b0", resolution=SIZE, lowering="ours", schedule="strips")
    assert (plain.schedule, strips.schedule) == ("plain", "strips")
    assert any("no measured evidence" in note for note in strips.notes)
    with pytest.raises(InputError, match="plain schedule"):
        evit_nas.predict("b0", resolution=SIZE, lowering="authors", schedule="strips")


def test_arch_tells_the_peak_memory_of_a_schedule() -> None:
    plain, strips = (evit_nas.arch("b0", resolution=SIZE, schedule=name) for name in ("plain", "strips"))
    assert plain.peak_activation_bytes == peak_activation_bytes(emit(named_arch("b0", upsample="bilinear"), SIZE, OURS))
    assert strips.peak_activation_bytes is not None
    assert plain.peak_activation_bytes is not None
    assert strips.peak_activation_bytes < plain.peak_activation_bytes / 2
    assert (plain.schedule, strips.schedule) == ("plain", "strips")
