"""Tiny spaces, and their members enumerated independently of the code under test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
import yaml

from evit_nas.graph.blocks import HeadOut, layout
from evit_nas.space.arch import (
    ArchConfig,
    BlockConfig,
    ClsHead,
    MBConvConfig,
    MsaConfig,
    SegHead,
    StageConfig,
    StemConfig,
)
from evit_nas.space.dimension import Candidate
from evit_nas.space.space import SearchSpace, parse_space

Identity = tuple[Any, ...]
BASE: dict[str, Any] = {
    "schema": "evit-nas/space-1",
    "task": "seg",
    "classes": 3,
    "resolution": ["64x64"],
    "head_dim": [16],
    "upsample": ["bilinear"],
    "stem": {"width": [8], "depth": [1], "activation": ["hswish"]},
    "stages": [
        {"width": [16], "depth": [1]},
        {"width": [32], "depth": [1]},
        {"width": [64], "depth": [1]},
        {"width": [128], "depth": [1]},
    ],
    "head": {"width": [32], "depth": [1]},
}


def _listed(document: dict[str, Any], key: str, default: list[Any]) -> list[Any]:
    value: list[Any] = document.get(key, default)
    return value


def _convolutions(cfg: dict[str, Any]) -> list[MBConvConfig]:
    pairs = product(_listed(cfg, "expand", [4]), _listed(cfg, "kernel", [3]))
    return [MBConvConfig(expand=expand, kernel=kernel) for expand, kernel in pairs]


def _stages(number: int, cfg: dict[str, Any], head_dim: int) -> Iterator[StageConfig]:
    placed = _listed(cfg, "msa", [number >= 3]) if number >= 2 else [False]
    pairs = product(_listed(cfg, "scales", [[5]]), _listed(cfg, "heads_ratio", [1.0]))
    attentions = [MsaConfig(scales=tuple(scales), heads_ratio=ratio) for scales, ratio in pairs]
    kinds: list[MsaConfig | None] = [None] if False in placed else []
    kinds += attentions if True in placed else []
    blocks = [BlockConfig(mbconv=mbconv, msa=msa) for mbconv, msa in product(_convolutions(cfg), kinds)]
    for width in cfg["width"]:
        if True in placed and width % head_dim:
            continue
        for depth, act, down in product(cfg["depth"], _listed(cfg, "activation", ["hswish"]), _convolutions(cfg)):
            for chosen in product(blocks, repeat=depth - 1 if number <= 2 else depth):
                yield StageConfig(width=width, down=down, blocks=chosen, activation=act)


def _heads(document: dict[str, Any]) -> Iterator[SegHead | ClsHead]:
    cfg, classes = document["head"], document["classes"]
    acts = _listed(cfg, "activation", ["hswish"])
    if document["task"] == "cls":
        for widths, act in product(cfg["widths"], acts):
            yield ClsHead(classes=classes, widths=(widths[0], widths[1]), activation=act)
        return
    keys = {
        "stride": [8],
        "inputs": [[4, 3, 2]],
        "block": ["mbconv"],
        "expand": [4],
        "kernel": [3],
        "final_expand": [4],
    }
    lists = [_listed(cfg, key, default) for key, default in keys.items()]
    for width, depth, act, *rest in product(cfg["width"], cfg["depth"], acts, *lists):
        values = dict(zip(keys, rest, strict=True))
        values["inputs"] = tuple(values["inputs"])
        if values["stride"] == 8 or values["inputs"] == (4, 3):
            yield SegHead(classes=classes, width=width, depth=depth, activation=act, **values)


def members(document: dict[str, Any]) -> Iterator[Candidate]:
    """Every combination of the choices in `document` that is a network, with repetitions of equal networks."""
    stem = document["stem"]
    stems = [
        StemConfig(width=width, depth=depth, activation=act)
        for width, depth, act in product(stem["width"], stem["depth"], stem["activation"])
    ]
    for head_dim in document["head_dim"]:
        stages = [list(_stages(number, cfg, head_dim)) for number, cfg in enumerate(document["stages"], start=1)]
        rest = (stems, list(_heads(document)), document["upsample"], document["resolution"])
        for s1, s2, s3, s4, first, head, upsample, size in product(*stages, *rest):
            arch = ArchConfig(stem=first, stages=(s1, s2, s3, s4), head=head, head_dim=head_dim, upsample=upsample)
            height, width = size.split("x")
            yield Candidate(arch, (int(height), int(width)))


def identity(candidate: Candidate) -> Identity:
    """What a candidate computes: its placed blocks. An output without expansion has no activation to differ in."""
    blocks = [(placed.path, placed.block) for placed in layout(candidate.arch, candidate.resolution)]
    path, last = blocks[-1]
    if isinstance(last, HeadOut) and last.final_expand is None:
        blocks[-1] = (path, replace(last, activation="hswish"))
    return tuple(blocks)


@pytest.fixture(name="base")
def _base() -> Callable[..., dict[str, Any]]:
    """Makes a space document: `base(head={...}, stage3={...}, head_dim=[...])` over one-member defaults."""

    def make(**changes: Any) -> dict[str, Any]:
        document = BASE | {"stages": [dict(stage) for stage in BASE["stages"]]}
        for key, value in changes.items():
            if key.startswith("stage"):
                document["stages"][int(key[-1]) - 1] |= value
            elif isinstance(value, dict) and key != "resolution":
                document[key] = document[key] | value
            else:
                document[key] = value
        return document

    return make


@pytest.fixture(name="space_of")
def _space_of() -> Callable[[dict[str, Any]], SearchSpace]:
    """Parses a space document."""
    return lambda document: parse_space(yaml.safe_dump(document), "tiny.yaml")


@pytest.fixture(name="enumerate_members")
def _enumerate_members() -> Callable[[dict[str, Any]], Iterator[Candidate]]:
    return members


@pytest.fixture(name="identity_of")
def _identity_of() -> Callable[[Candidate], Identity]:
    return identity
