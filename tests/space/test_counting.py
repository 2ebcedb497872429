"""Exact size and uniform sampling, against an enumeration that shares no code with them (conftest.py)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from evit_nas.space.dimension import Candidate
from evit_nas.space.space import SearchSpace, load_space

TINY: dict[str, dict[str, Any]] = {
    "one member": {},
    "depth decides which blocks count": {"stage1": {"depth": [1, 2, 3], "expand": [2, 4], "kernel": [3, 5]}},
    "attention placed block by block": {
        "stage2": {"depth": [1, 2], "msa": [False, True], "scales": [[], [3], [3, 5]]},
        "stage3": {"depth": [1, 2], "msa": [True, False], "heads_ratio": [0.5, 1.0]},
    },
    "stages without blocks": {"stage3": {"depth": [0, 1]}, "stage4": {"depth": [0, 1, 2], "scales": [[], [5]]}},
    "head dims that do not suit all widths": {
        "head_dim": [32, 16, 48],
        "stage3": {"width": [48, 64, 80, 96], "msa": [True, False]},
        "stage4": {"width": [96, 144, 192], "msa": [True, False], "activation": ["relu", "hswish"]},
    },
    "no attention at all": {
        "head_dim": [16, 32],
        "stage3": {"width": [40, 64], "msa": [False], "expand": [2, 3]},
        "stage4": {"msa": [False], "depth": [1, 2]},
    },
    "ratios with equal numbers of heads": {
        "head_dim": [16, 32],
        "stage2": {"width": [32, 64], "depth": [2], "msa": [True, False], "heads_ratio": [0.5, 1.0, 1.5]},
        "stage3": {"msa": [False, True], "heads_ratio": [0.25, 1.5, 0.5]},
        "stage4": {"msa": [False, True]},
    },
    "head": {
        "upsample": ["bilinear", "bicubic"],
        "head": {
            "width": [32, 64],
            "depth": [0, 1, 2],
            "stride": [8, 16],
            "inputs": [[4, 3, 2], [4, 3]],
            "block": ["fmbconv", "mbconv"],
            "expand": [2, 4],
            "kernel": [3, 5],
            "final_expand": [None, 2],
            "activation": ["relu", "hswish"],
        },
    },
    "stem, resolution, classification": {
        "task": "cls",
        "resolution": ["64x64", "32x96"],
        "stem": {"width": [8, 16], "depth": [0, 1], "activation": ["relu", "relu6"]},
        "head": None,
    },
}

Make = Callable[..., dict[str, Any]]


def _document(base: Make, name: str) -> dict[str, Any]:
    document = base(**TINY[name])
    if document["head"] is None:
        document["head"] = {"widths": [[64, 128], [128, 64]], "activation": ["hswish", "relu"]}
        del document["upsample"]
    return document


@pytest.mark.parametrize("name", TINY)
def test_size_rows_and_members_agree_with_enumeration(
    name: str,
    base: Make,
    space_of: Callable[[dict[str, Any]], SearchSpace],
    enumerate_members: Callable[[dict[str, Any]], Iterator[Candidate]],
    identity_of: Callable[[Candidate], tuple[Any, ...]],
) -> None:
    document = _document(base, name)
    space = space_of(document)
    candidates = list(enumerate_members({"upsample": ["bilinear"]} | document))
    networks = {identity_of(candidate) for candidate in candidates}
    assert space.size() == len(networks)
    rows = np.unique(space.encode(candidates), axis=0)
    assert len(rows) == len(networks)
    decoded = space.decode(rows)
    assert len(set(decoded)) == len(networks)
    assert {identity_of(candidate) for candidate in decoded} == networks
    assert np.array_equal(space.encode(decoded), rows)


@pytest.mark.parametrize("name", ["attention placed block by block", "head dims that do not suit all widths", "head"])
def test_every_member_is_equally_likely(
    name: str, base: Make, space_of: Callable[[dict[str, Any]], SearchSpace]
) -> None:
    """Chi-squared over all members, at five standard deviations of its own distribution."""
    space = space_of(_document(base, name))
    cells, draws = space.size(), 20 * space.size()
    counts = Counter(map(tuple, space.sample_rows(11, draws).tolist()))
    assert len(counts) <= cells
    statistic = sum((count - 20) ** 2 / 20 for count in counts.values()) + 20 * (cells - len(counts))
    assert abs(statistic - (cells - 1)) < 5 * (2 * (cells - 1)) ** 0.5


def test_samples_follow_the_seed() -> None:
    space = load_space("efficientvit-seg-small")
    assert space.sample(3, 20) == space.sample(3, 20)
    assert space.sample(3, 20) != space.sample(4, 20)
    assert space.sample(3, 0) == []


@pytest.mark.parametrize("name", ["efficientvit-seg", "efficientvit-cls", "efficientvit-seg-small"])
def test_samples_are_members(name: str) -> None:
    space = load_space(name)
    for candidate in space.sample(0, 100):
        assert space.contains(candidate.arch, candidate.resolution) is None


def test_halves_add_up() -> None:
    """The two halves by head dim share no network but those without attention, and the default space has both."""
    whole, low, high = (load_space(f"efficientvit-seg{half}") for half in ("", "-d16", "-d32"))
    assert low.size() < whole.size() < low.size() + high.size()
    varied = frozenset({"width", "depth", "head_dim", "head", "resolution"})  # attention stays: nothing is shared
    sizes = [space.restrict(varied).size() for space in (whole, low, high)]
    assert sizes[0] == sizes[1] + sizes[2]
