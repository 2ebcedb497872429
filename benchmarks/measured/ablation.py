"""The four networks of the paper's Table 3 (Cai et al., ICCV 2023): B0 with and without multi-scale and attention.

All have the MACs of the full one: what is removed is given back as width, by one factor for the whole network. The
paper does not say what remains where attention is removed and multi-scale is kept; here it is the local part of it, a
5x5 depthwise kernel in the MBConv of the same blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product

import numpy as np

from evit_nas.graph.cost import arch_macs
from evit_nas.space.arch import ArchConfig, BlockConfig, MBConvConfig, Resolution, SegHead, named_arch

TOLERANCE = 0.01  # of the MACs
STEP = 8  # that widths are multiples of
FACTORS = np.linspace(1.0, 1.6, 241)


def variants(classes: int, resolution: Resolution) -> dict[str, ArchConfig]:
    """By name (`ms1-ga0`: multi-scale kept, attention removed), each with the MACs of `ms1-ga1` within TOLERANCE."""
    full = named_arch("b0")
    full = replace(full, head=replace(full.head, classes=classes), eps=1e-6)
    target = arch_macs(full, resolution)
    changes: dict[str, Callable[[BlockConfig], BlockConfig]] = {
        "ms0-ga1": lambda block: replace(block, msa=replace(block.msa, scales=())),
        "ms1-ga0": lambda block: replace(block, msa=None, mbconv=MBConvConfig(kernel=5)),
        "ms0-ga0": lambda block: replace(block, msa=None),
    }
    return {"ms1-ga1": full, **{name: widened(_changed(full, c), resolution, target) for name, c in changes.items()}}


def _changed(arch: ArchConfig, change: Callable[[BlockConfig], BlockConfig]) -> ArchConfig:
    """`change` in every block that has attention."""
    stages = [
        replace(stage, blocks=tuple(change(block) if block.msa is not None else block for block in stage.blocks))
        for stage in arch.stages
    ]
    return replace(arch, stages=(stages[0], stages[1], stages[2], stages[3]))


def widened(arch: ArchConfig, resolution: Resolution, target: int) -> ArchConfig:
    """`arch` with all widths times one factor, rounded so that its MACs are `target` within TOLERANCE.

    Of those within the tolerance the one whose parts differ least from the common factor. Raises ValueError where
    there is none.
    """
    best: tuple[float, ArchConfig] | None = None
    for factor in FACTORS.tolist():
        for uneven, candidate in _rounded(arch, factor):
            near = abs(arch_macs(candidate, resolution) / target - 1) <= TOLERANCE
            if near and (best is None or uneven < best[0]):
                best = uneven, candidate
    if best is None:
        raise ValueError("no width gives these MACs")
    return best[1]


def _rounded(arch: ArchConfig, factor: float) -> Iterator[tuple[float, ArchConfig]]:
    """All ways to round the widths down or up, multiples of 8 (attention has the nearest number of heads)."""
    assert isinstance(arch.head, SegHead)
    own = [arch.stem.width, *(stage.width for stage in arch.stages), arch.head.width]
    ways = []
    for width in own:
        low = int(width * factor // STEP) * STEP
        ways.append(sorted({max(STEP, low), low + STEP}))
    for stem, *stages, head in product(*ways):
        widths = np.array([stem, *stages, head])
        uneven = float(((np.log(widths / np.array(own)) - np.log(factor)) ** 2).sum())
        made = [replace(stage, width=width) for stage, width in zip(arch.stages, stages, strict=True)]
        yield (
            uneven,
            replace(
                arch,
                stem=replace(arch.stem, width=stem),
                stages=(made[0], made[1], made[2], made[3]),
                head=replace(arch.head, width=head),
            ),
        )
