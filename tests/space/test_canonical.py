from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evit_nas.errors import InputError
from evit_nas.space.space import SearchSpace, load_space

SHIPPED = [
    "efficientvit-seg",
    "efficientvit-seg-d16",
    "efficientvit-seg-d32",
    "efficientvit-cls",
    "efficientvit-seg-small",
]


@pytest.mark.parametrize("name", SHIPPED)
def test_any_integers_become_legal_rows(name: str) -> None:
    space = load_space(name)
    rows = np.random.default_rng(5).integers(-3, 12, size=(300, len(space.dimensions)))
    legal = space.canonical(rows)
    assert legal.dtype == np.int32
    assert np.array_equal(space.canonical(legal), legal)
    candidates = space.decode(legal)
    assert all(space.contains(item.arch, item.resolution) is None for item in candidates)
    assert np.array_equal(space.encode(candidates), legal)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_a_member_stays_what_it_is(seed: int) -> None:
    space = load_space("efficientvit-seg-small")
    rows = space.sample_rows(seed, 8)
    assert np.array_equal(space.canonical(rows), rows)


def test_what_does_not_count_is_zero() -> None:
    space = load_space()
    rows = space.sample_rows(1, 50)
    assert (rows[~space.active(rows)] == 0).sum() == (~space.active(rows)).sum()
    noise = np.random.default_rng(0).integers(0, [len(item.choices) for item in space.dimensions], size=rows.shape)
    scrambled = np.where(space.active(rows), rows, noise)
    assert np.array_equal(space.canonical(scrambled), rows)


def test_illegal_combinations_move_to_the_nearest(
    base: Callable[..., dict[str, Any]], space_of: Callable[[dict[str, Any]], SearchSpace]
) -> None:
    changes = {"head_dim": [16, 32], "stage3": {"width": [64, 80, 96]}, "stage4": {"width": [48, 128, 64]}}
    space = space_of(base(**changes, head={"stride": [8, 16], "inputs": [[4, 3, 2], [4, 3]]}))
    names = [item.name for item in space.dimensions]
    row = np.zeros((1, len(names)), dtype=np.int32)
    for name, index in {"head_dim": 1, "stage3.width": 1, "head.stride": 1}.items():
        row[0, names.index(name)] = index
    arch = space.decode(row)[0].arch
    assert (arch.stages[2].width, arch.stages[3].width) == (64, 64)  # 80: the smaller of two as near; 48: only 64 is
    assert (arch.head.stride, arch.head.inputs) == (16, (4, 3))  # type: ignore[union-attr]


@pytest.mark.parametrize("rows", [np.zeros(3, dtype=int), np.zeros((1, 3), dtype=int), np.zeros((1, 141))])
def test_other_arrays_are_refused(rows: np.ndarray[Any, Any]) -> None:
    with pytest.raises(InputError, match=r"needs integers of shape \(N, 141\)"):
        load_space().canonical(rows)


def test_speed_of_populations() -> None:
    """Generous bounds (five times what is needed) that an accidental loop over rows would break."""
    space = load_space()
    rows = np.random.default_rng(0).integers(0, 4, size=(20_000, len(space.dimensions)))
    started = time.perf_counter()
    space.canonical(rows)
    canonical_s = time.perf_counter() - started
    started = time.perf_counter()
    space.sample(0, 2_000)
    sample_s = time.perf_counter() - started
    assert canonical_s < 1.0
    assert sample_s < 5.0
