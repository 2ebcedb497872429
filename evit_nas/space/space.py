"""A search space: what may vary, how many members it has, and members as rows of indices.

The usual way in is `load_space`. Candidates go to workflows and people, rows (`encode`, `canonical`) to whatever works
on populations. Membership ignores eps: named architectures carry the official 1e-15, decoded members 1e-6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from evit_nas.errors import InputError, nearest
from evit_nas.space import counting
from evit_nas.space.arch import ArchConfig, Resolution, named_arch
from evit_nas.space.canonical import active, canonical
from evit_nas.space.codec import decode_row, values_of, why_not
from evit_nas.space.columns import Columns, Ints, columns_of
from evit_nas.space.dimension import Candidate, Choice, Dimension, Slot, SpaceSpec
from evit_nas.space.document import read_text
from evit_nas.space.extremes import extreme
from evit_nas.space.restrict import restricted
from evit_nas.space.schema import space_from_yaml
from evit_nas.space.slots import slots_of

__all__ = ["Candidate", "Dimension", "SearchSpace", "Slot", "load_space", "shipped_spaces"]

DEFAULT_SPACE = "efficientvit-seg"


@dataclass(frozen=True)
class SearchSpace:
    """A space as `spec` states it. Shapes: N rows, D dimensions."""

    spec: SpaceSpec

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        """The columns of the encoding, in order."""
        return self.spec.dimensions

    @property
    def members(self) -> tuple[str, ...]:
        """Names of the official architectures that the space contains (with its own number of classes)."""
        return self.spec.members

    @property
    def resolutions(self) -> tuple[Resolution, ...]:
        """Input sizes (height, width) that the space has."""
        choices = self._columns.choices("resolution")
        return tuple((size[0], size[1]) for size in choices if isinstance(size, tuple))

    @cached_property
    def _columns(self) -> Columns:
        return columns_of(self.spec)

    @cached_property
    def _lookup(self) -> Mapping[str, Mapping[Choice, int]]:
        return {item.name: {choice: i for i, choice in enumerate(item.choices)} for item in self.dimensions}

    def member(self, name: str) -> ArchConfig:
        """The architecture of an official member, with the space's number of classes. Raises InputError."""
        if name not in self.members:
            raise InputError(f"space {self.name} has no member {name!r}; {nearest(name, self.members)}")
        bicubic = "bilinear" not in self._lookup.get("upsample", ("bilinear",))
        arch = named_arch(name, upsample="bicubic" if bicubic else "bilinear")
        return replace(arch, head=replace(arch.head, classes=self.spec.classes))

    def size(self) -> int:
        """The exact number of distinct members; equal networks at one resolution count once."""
        return counting.size(self._columns)

    def sample(self, seed: int, n: int) -> list[Candidate]:
        """`n` independent draws in which every member is equally likely. A seed gives the same ones every time."""
        return self.decode(self.sample_rows(seed, n))

    def sample_rows(self, seed: int, n: int) -> Ints:
        """`sample` as canonical rows, shape (n, D)."""
        return counting.sample(self._columns, seed, n)

    def contains(self, arch: ArchConfig, resolution: Resolution) -> str | None:
        """None for a member, else the reason why it is none. Ignores eps and what does not count in the network."""
        return why_not(self.spec, self._columns, self._lookup, Candidate(arch, resolution))

    def encode(self, candidates: Sequence[Candidate]) -> Ints:
        """Canonical rows of members, shape (N, D). Raises InputError for a candidate that is no member."""
        rows = np.zeros((len(candidates), len(self.dimensions)), dtype=np.int32)
        index, lookup = self._columns.index, self._lookup
        for row, candidate in zip(rows, candidates, strict=True):
            reason = self.contains(candidate.arch, candidate.resolution)
            if reason is not None:
                raise InputError(f"not a member of {self.name}: {reason}")
            for name, value in values_of(candidate.arch, candidate.resolution):
                row[index[name]] = lookup[name][value]
        return self.canonical(rows)

    def decode(self, rows: ArrayLike) -> list[Candidate]:
        """The candidates of rows (N, D); rows that are not canonical are made so first."""
        return [decode_row(self.spec, self._columns, row) for row in self.canonical(rows).tolist()]

    def canonical(self, rows: ArrayLike) -> Ints:
        """Legal rows nearest to any integer rows (N, D), equal where the networks are equal (see canonical.py)."""
        return canonical(self._columns, rows)

    def active(self, rows: Ints) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Which columns count in each canonical row, shape (N, D)."""
        return active(self._columns, rows)

    def neighbours(self, candidate: Candidate) -> list[Candidate]:
        """Members that differ in one dimension, by one step in its list of choices.

        Where a step adds something (a block, an attention), its own choices are the official ones, else the first.
        """
        row = self.encode([candidate])
        official = np.array([item.official[0] if item.official else 0 for item in self.dimensions], dtype=np.int32)
        counts = self.active(row)[0]
        filled = np.where(counts, row[0], official)
        steps = [(c, step) for c in np.flatnonzero(counts) for step in (-1, 1)]
        steps = [(c, step) for c, step in steps if 0 <= filled[c] + step < self._columns.sizes[c]]
        moved = np.repeat(filled[None], len(steps), axis=0)
        for i, (column, step) in enumerate(steps):
            moved[i, column] += step
        legal = self.canonical(moved)
        ratio = np.array([item.group == "heads_ratio" for item in self.dimensions])  # its index may change by name only
        unrepaired = ((legal == moved) | ~self.active(legal) | ratio).all(axis=1)
        kept = legal[unrepaired & (legal != row).any(axis=1)]
        return self.decode(np.unique(kept, axis=0))

    def smallest(self) -> Candidate:
        """The smallest member by structure (ties: see extremes.py)."""
        return self.decode(extreme(self._columns, largest=False))[0]

    def largest(self) -> Candidate:
        """The largest member by structure (ties: see extremes.py)."""
        return self.decode(extreme(self._columns, largest=True))[0]

    def restrict(self, evidence: frozenset[str]) -> SearchSpace:
        """The subspace in which only dimension groups in `evidence` vary (see restrict.py). Raises InputError."""
        return SearchSpace(restricted(self.spec, evidence))

    def slots(self) -> tuple[Slot, ...]:
        """Groups of blocks and the columns that decide them (see slots.py)."""
        return slots_of(self._columns)


def load_space(name_or_path: str | Path = DEFAULT_SPACE) -> SearchSpace:
    """A shipped space by name, or the space in a YAML file. Raises InputError."""
    text = str(name_or_path)
    shipped = shipped_spaces()
    if text in shipped:
        return parse_space(shipped[text], f"{text}.yaml")
    path = Path(text)
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1 or path.is_file():
        return parse_space(read_text(path), text)
    raise InputError(f"unknown search space {text!r}: {nearest(text, shipped)}, or the path of a YAML file")


def parse_space(text: str, source: str) -> SearchSpace:
    """The space in `text`. Raises InputError where it cannot be read, or does not contain a member that it names."""
    space = SearchSpace(space_from_yaml(text, source))
    for name in space.members:
        reason = space.contains(space.member(name), space.resolutions[0])
        if reason is not None:
            raise InputError(f"{source}: member {name} is not in the space: {reason}")
    return space


def shipped_spaces() -> Mapping[str, str]:
    """Text of the spaces that ship, by name: from the installed package, else from the checkout around it."""
    package = resources.files("evit_nas")
    packaged = package / "_data" / "search_spaces"
    folder = packaged if packaged.is_dir() else Path(str(package)).parent / "search_spaces"
    if not folder.is_dir():
        return {}
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name)
    return {file.name.removesuffix(".yaml"): file.read_text(encoding="utf-8") for file in files}
