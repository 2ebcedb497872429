"""A network as a few numbers that additive terms of its blocks give: what a regression on measured members sees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evit_nas.accuracy.estimator.capacity import OFFICIAL_EXPAND, PARTS, TERMS, block_terms, parts
from evit_nas.graph.blocks import Block, FusedMBConv, MBConv, Msa
from evit_nas.space.arch import ArchConfig, Resolution, SegHead

Floats = NDArray[np.float64]

FEATURES = (
    *(f"size of {part}" for part in PARTS),
    "resolution",
    "attention",
    "scales",
    "number of scales",
    "expand",
    "kernel",
    "activation",
    "coarse head",
)
# capacity terms, then: MBConv blocks, sums of log2 expand / 4 and of log2 kernel / 3, blocks without hswish,
# attention blocks, their scales
_BLOCKS, _EXPAND, _KERNEL, _RELU, _ATTENTION, _SCALES = range(TERMS, TERMS + 6)
_CLASSES = 19  # any fixed number: the task is the same for all members of a source


def network_terms(blocks: Sequence[Block]) -> Floats:
    """Additive terms, shape (TERMS + 6,)."""
    extra = [0.0] * 6
    for block in blocks:
        if isinstance(block, MBConv | FusedMBConv):
            extra[0] += 1
            extra[1] += float(np.log2(block.expand / OFFICIAL_EXPAND))
            extra[2] += float(np.log2(block.kernel / 3))
            extra[3] += block.activation != "hswish"
        elif isinstance(block, Msa):
            extra[4] += 1
            extra[5] += len(block.scales)
    return np.concatenate([block_terms(blocks, final_expand=OFFICIAL_EXPAND, classes=_CLASSES), extra])


def features(sums: Floats, resolutions: Floats) -> Floats:
    """FEATURES of N networks, (N, F): sizes and resolution as logarithms, the others as means over blocks."""
    networks = parts(sums[:, :TERMS], resolutions)
    blocks = np.maximum(sums[:, _BLOCKS], 1.0)
    attention = np.maximum(sums[:, _ATTENTION], 1.0)
    columns = [
        *networks.log_size.T,
        np.log(np.prod(np.asarray(resolutions, dtype=np.float64), axis=1)) / 2,
        networks.attention,
        networks.scales,
        sums[:, _SCALES] / attention,
        sums[:, _EXPAND] / blocks,
        sums[:, _KERNEL] / blocks,
        sums[:, _RELU] / blocks,
        networks.coarse,
    ]
    return np.stack(columns, axis=1)


def evidence_of(networks: Sequence[tuple[ArchConfig, Resolution]]) -> frozenset[str]:
    """Dimension groups that vary among these networks and that the features see."""
    seen: dict[str, set[object]] = {}
    for arch, resolution in networks:
        for group, value in _values(arch, resolution).items():
            seen.setdefault(group, set()).add(value)
    return frozenset(group for group, values in seen.items() if len(values) > 1)


def _values(arch: ArchConfig, resolution: Resolution) -> dict[str, object]:
    blocks = [block for stage in arch.stages for block in stage.blocks]
    convs = [conv for stage in arch.stages for conv in (stage.down, *(block.mbconv for block in stage.blocks))]
    head = arch.head
    return {
        "width": (arch.stem.width, *(stage.width for stage in arch.stages)),
        "depth": (arch.stem.depth, *(len(stage.blocks) for stage in arch.stages)),
        "resolution": resolution,
        "head": (head.width, head.depth, head.stride, head.inputs) if isinstance(head, SegHead) else head.widths,
        "expand": frozenset(conv.expand for conv in convs),
        "kernel": frozenset(conv.kernel for conv in convs),
        "msa": tuple(block.msa is not None for block in blocks) if _departs(arch) else (),
        "scales": frozenset(block.msa.scales for block in blocks if block.msa is not None),
        "activation": frozenset(stage.activation for stage in arch.stages),
    }


def _departs(arch: ArchConfig) -> bool:
    """Whether attention stands elsewhere than in every block of stages 3 and 4."""
    present = [[block.msa is not None for block in stage.blocks] for stage in arch.stages]
    return any(present[0] + present[1]) or not all(present[2] + present[3])
