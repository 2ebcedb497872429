"""Rankings, effects and Table 3 read the table that a queue writes."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from evit_nas.graph.cost import arch_macs
from evit_nas.space.space import load_space
from evit_nas.space.yaml_io import arch_to_yaml

SIZE = (128, 160)
COLUMNS = (
    "arch",
    "resolution",
    "seed",
    "epochs",
    "recipe",
    "miou",
    "held_out_miou",
    "curve",
    "params",
    "macs",
    "hours",
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Twelve members whose mIoU is their order by MACs, with two seeds half a point apart; epoch 3 has it backwards."""
    drawn = load_space("efficientvit-seg-small").sample(0, 12)
    macs = [arch_macs(candidate.arch, SIZE) for candidate in drawn]
    path = tmp_path / "idd-lite.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for candidate, own in zip(drawn, macs, strict=True):
            place = sum(other < own for other in macs)
            for seed in (0, 1):
                score, early = 50 + place + seed / 2, 40 - place
                row = (arch_to_yaml(candidate.arch), "128x160", seed, 12, "r", score, score, f"3:{early}", 1, own, 0.2)
                writer.writerow(row)
    return path


def test_sources_are_compared_with_the_networks_trained_alone(table: Path) -> None:
    from measured.networks import HELD_OUT, read_networks
    from ranking import cheap_sources, compared

    networks = read_networks(table)
    assert [len(network.lines) for network in networks] == [2] * 12
    found = compared(networks, cheap_sources(networks), HELD_OUT, np.arange(12))
    assert found["ceiling"]["seeds 0 and 1"]["tau"][0] == 1.0
    sources = found["sources"]
    assert (sources["macs"]["tau"][0], sources["epoch 3"]["tau"][0]) == (1.0, -1.0)
    assert sources["epoch 3"]["hours"] == pytest.approx(0.05)
    assert (sources["epoch 3"]["above_macs"], sources["macs"]["hours"]) == (0.0, 0.0)
    assert "params" not in sources  # all equal: no order
    assert "predictor, left out" in sources


def test_effects_say_where_networks_are_too_few(table: Path) -> None:
    from effects import effects
    from measured.networks import read_networks

    networks = read_networks(table)
    found = effects(networks)
    assert all(low <= mean <= high for mean, low, high in found["points"].values())
    assert "too few" in effects(networks[:4])["too_few"]


def test_losses_are_of_pairs_of_one_seed() -> None:
    from table3 import compared

    values = {
        "ms1-ga1": {0: 50.0, 1: 52.0},
        "ms0-ga0": {0: 49.0, 1: 50.0, 2: 10.0},
        "ms1-ga0": {},
        "ms0-ga1": {1: 51.5},
    }
    found = compared(values, {"ms0-ga0": 6.0, "ms0-ga1": 2.0})
    assert found["loss"]["ms0-ga0"] | {"interval": None} == {
        "mean": 1.5, "interval": None, "pairs": 2, "carried_over": 0.25,
    }  # fmt: skip
    low, high = found["loss"]["ms0-ga0"]["interval"]
    assert (low + high) / 2 == pytest.approx(1.5, abs=0.01)
    assert found["loss"]["ms0-ga1"]["interval"] is None
    assert "ms1-ga0" not in found["loss"]
