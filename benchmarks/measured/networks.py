"""The networks of a table that run_queue.py wrote, each with the lines of its seeds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evit_nas.accuracy.estimator.members import MeasuredLine, read_lines, same_network
from evit_nas.graph.blocks import Block, layout
from evit_nas.space.arch import ArchConfig

Floats = NDArray[np.float64]

HELD_OUT, VAL = "held_out_miou", "miou"  # the score to rank by, fixed beforehand; the official val, looked at last


@dataclass(frozen=True, kw_only=True)
class Network:
    """One network with the lines of its seeds."""

    arch: ArchConfig
    lines: tuple[MeasuredLine, ...]

    def mean(self, column: str) -> float:
        return float(np.mean([float(line.cells[column]) for line in self.lines]))

    def seeds(self, column: str) -> dict[int, float]:
        return {int(line.cells["seed"]): float(line.cells[column]) for line in self.lines}

    def after(self, epoch: int) -> float:
        """The score of the training itself after `epoch`, mean over seeds."""
        curves = [dict(part.split(":") for part in line.cells["curve"].split()) for line in self.lines]
        return float(np.mean([float(curve[str(epoch)]) for curve in curves]))

    @property
    def blocks(self) -> list[Block]:
        return [placed.block for placed in layout(self.arch, self.lines[0].resolution)]


def read_networks(table: Path) -> list[Network]:
    """Networks of the recipe with most of them."""
    recipes: dict[str, dict[ArchConfig, list[MeasuredLine]]] = defaultdict(lambda: defaultdict(list))
    for line in read_lines(table)[1]:
        recipes[line.recipe][same_network(line.arch)].append(line)
    return [Network(arch=arch, lines=tuple(own)) for arch, own in max(recipes.values(), key=len).items()]


def inputs(networks: Sequence[Network]) -> Floats:
    """Input sizes (N, 2) in pixels."""
    return np.array([network.lines[0].resolution for network in networks], dtype=np.float64)
