from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from evit_nas.errors import InputError
from evit_nas.space.arch import ArchConfig, MsaConfig, SegHead, named_arch
from evit_nas.space.space import Candidate, load_space


def _b1_with(**changes: Any) -> ArchConfig:
    arch = named_arch("b1")
    return replace(arch, **changes)


def test_reasons() -> None:
    space, size = load_space(), (512, 1024)
    b1 = named_arch("b1")
    stage3 = b1.stages[2]
    wide = replace(stage3, width=72)
    scaled = replace(stage3, blocks=(replace(stage3.blocks[0], msa=MsaConfig(scales=(7,))), *stage3.blocks[1:]))
    first = replace(b1.stages[0], blocks=(replace(b1.stages[0].blocks[0], msa=MsaConfig()),))
    deep = replace(stage3, blocks=stage3.blocks * 5)
    cases = [
        (b1, (500, 1000), "resolution is [500, 1000]; the space has [256, 512]"),
        (named_arch("b1-cls"), size, "it is a network for cls; the space is for seg"),
        (named_arch("b1-ade20k"), size, "it has 150 classes; the space has 19"),
        (_b1_with(stages=(*b1.stages[:2], wide, b1.stages[3])), size, "stage3.width is 72; the space has 64"),
        (_b1_with(stages=(*b1.stages[:2], deep, b1.stages[3])), size, "stage3.depth is 15; the space has 1, 2"),
        (_b1_with(stages=(*b1.stages[:2], scaled, b1.stages[3])), size, "stage3.block1.scales is [7]"),
        (_b1_with(stages=(first, *b1.stages[1:])), size, "stage1.block1.msa is true; the space has no such"),
        (_b1_with(head=SegHead(classes=19, width=64, stride=16)), size, "stride 16 does not go with inputs [4, 3, 2]"),
        (_b1_with(head_dim=24), size, "head_dim is 24; the space has 16, 32"),
        (
            _b1_with(head_dim=32, stages=(*b1.stages[:2], replace(stage3, width=80), b1.stages[3])),
            size,
            "the widths of stages 2, 3 are not multiples of head_dim 32",
        ),
    ]
    for arch, resolution, reason in cases:
        found = space.contains(arch, resolution)
        assert found is not None
        assert reason in found
        with pytest.raises(InputError, match="not a member of efficientvit-seg"):
            space.encode([Candidate(arch, resolution)])


def test_membership_ignores_what_does_not_count() -> None:
    """eps always; the head dim of a network without attention; the block of a head of depth 0."""
    space = load_space()
    b1 = named_arch("b1")
    plain = [replace(stage, blocks=tuple(replace(block, msa=None) for block in stage.blocks)) for stage in b1.stages]
    head = SegHead(classes=19, width=64, depth=0, kernel=7, expand=1)
    bare = replace(b1, stages=tuple(plain), head=head, head_dim=24)
    assert space.contains(bare, (512, 1024)) is None
    again = space.decode(space.encode([Candidate(bare, (512, 1024))]))[0].arch
    assert again == replace(bare, head=SegHead(classes=19, width=64, depth=0), head_dim=16, eps=1e-6)
