"""What a search space is made of: dimensions, candidates, and slots (groups of columns that decide a group of blocks).

A dimension belongs to one of `GROUPS`; an accuracy source names the groups that it has evidence on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from evit_nas.space.arch import ArchConfig, Resolution

MAX_SEED = 2**32 - 1  # of samples and all else that is random: what numpy, torch and Optuna all take
GROUPS = (
    "width",
    "depth",
    "resolution",
    "head",
    "expand",
    "kernel",
    "msa",
    "scales",
    "heads_ratio",
    "head_dim",
    "activation",
    "upsample",
)
Choice = int | float | bool | str | None | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A member of a space: an architecture and the size of its input."""

    arch: ArchConfig
    resolution: Resolution


@dataclass(frozen=True, kw_only=True, slots=True)
class Dimension:
    """One column of the encoding. `official`: indices of the choices that the official family has, maybe none."""

    name: str  # `stage3.block2.kernel`
    group: str
    choices: tuple[Choice, ...]
    official: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SpaceSpec:
    """A search space as data. `aligned`: stages whose width must be a multiple of the head dim."""

    name: str
    task: Literal["seg", "cls"]
    classes: int
    members: tuple[str, ...]
    dimensions: tuple[Dimension, ...]
    aligned: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Slot:
    """Placed blocks (graph/blocks.py) that depend on nothing but `columns` of a canonical row.

    A prefix that ends in a dot holds every path under it, any other one only the path equal to it.
    """

    prefixes: tuple[str, ...]
    columns: tuple[int, ...]

    def holds(self, path: str) -> bool:
        return any(path == prefix or (prefix.endswith(".") and path.startswith(prefix)) for prefix in self.prefixes)
