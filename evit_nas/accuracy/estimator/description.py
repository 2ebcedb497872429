"""A network as a few numbers that additive terms of its blocks give: what a regression on measured members sees.

SIZES say how large a network is, as the published rows do; DEPARTURES say what it has that those rows do not vary. Each
departure is 0 for an official network.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evit_nas.accuracy.estimator.capacity import OFFICIAL_EXPAND, PARTS, TERMS, at_strides, block_terms, parts
from evit_nas.graph.blocks import Block, FusedMBConv, HeadInput, HeadOut, MBConv, Msa
from evit_nas.graph.cost import block_macs
from evit_nas.space.arch import ArchConfig, Resolution, SegHead

Floats = NDArray[np.float64]

SIZES = (*(f"size of {part}" for part in PARTS), "MACs a pixel", "resolution")
DEPARTURES = {  # by name: the dimension groups that it tells of
    "attention left out": ("msa",),
    "scales left out": ("scales",),
    "attention elsewhere": ("msa",),
    "more than one scale": ("scales",),
    "scale 3 instead of 5": ("scales",),
    "heads": ("heads_ratio",),
    "expand": ("expand",),
    "kernel": ("kernel",),
    "relu6": ("activation",),
    "relu": ("activation",),
    "coarse head": ("head",),
    "fused head": ("head",),
    "final expand": ("head",),
    "bilinear": ("upsample",),
}
FEATURES = (*SIZES, *DEPARTURES)

# after the capacity terms: inverted blocks, their sums of log2 expand / 4 and log2 kernel / 3, blocks with relu6 and
# relu; attentions, of them without scales, with two and with scale 3 alone, sums of log2 heads / official heads; blocks
# of stages 3 and 4, fused ones; log2 of the final expansion / 4, bilinear inputs, MACs; attentions by powers of pixels
(
    _BLOCKS, _EXPAND, _KERNEL, _RELU6, _RELU, _MSA, _NONE, _TWO, _THREE, _HEADS, _DEEP, _FUSED, _FINAL, _BILINEAR,
    _MACS,
) = range(TERMS, TERMS + 15)  # fmt: skip
_WHERE = TERMS + 15
_COUNT = _WHERE + 4
_CLASSES = 19  # any fixed number: the task is the same for all members of a source
_BY_STRIDE = at_strides((4, 8, 16, 32))


def network_terms(blocks: Sequence[Block]) -> Floats:
    """Additive terms, shape (TERMS + 19,)."""
    terms = np.zeros(_COUNT)
    terms[:TERMS] = block_terms(blocks, final_expand=OFFICIAL_EXPAND, classes=_CLASSES)
    for block in blocks:
        terms[_MACS] += block_macs(block)
        match block:
            case MBConv() | FusedMBConv():
                terms[_BLOCKS] += 1
                terms[_EXPAND] += np.log2(block.expand / OFFICIAL_EXPAND)
                terms[_KERNEL] += np.log2(block.kernel / 3)
                terms[_RELU6] += block.activation == "relu6"
                terms[_RELU] += block.activation == "relu"
                terms[_FUSED] += isinstance(block, FusedMBConv)
                terms[_DEEP] += isinstance(block, MBConv) and block.bias and block.residual
            case Msa():
                terms[_MSA] += 1
                terms[_NONE] += not block.scales
                terms[_TWO] += len(block.scales) > 1
                terms[_THREE] += block.scales == (3,)
                terms[_HEADS] += np.log2(block.heads / max(1, round(block.channels / block.head_dim)))
                terms[_WHERE:] += float(block.height * block.width) ** np.arange(4)
            case HeadOut():
                terms[_FINAL] += np.log2((block.final_expand or 1) / OFFICIAL_EXPAND)
            case HeadInput():
                terms[_BILINEAR] += block.upsample == "bilinear"
            case _:
                pass
    return terms


def features(sums: Floats, resolutions: Floats) -> Floats:
    """FEATURES of N networks, (N, F): sizes and resolution as logarithms, departures as means over blocks."""
    networks = parts(sums[:, :TERMS], resolutions)
    area = np.prod(np.asarray(resolutions, dtype=np.float64), axis=1)
    blocks, attentions = np.maximum(sums[:, _BLOCKS], 1.0), np.maximum(sums[:, _MSA], 1.0)
    by_stride = (sums[:, _WHERE:] / area[:, None] ** np.arange(4)) @ _BY_STRIDE.T
    columns = [
        *networks.log_size.T,
        np.log(np.maximum(sums[:, _MACS], 1.0) / area),
        np.log(area) / 2,
        1 - by_stride[:, 2:].sum(axis=1) / np.maximum(sums[:, _DEEP], 1.0),
        sums[:, _NONE] / attentions,
        by_stride[:, :2].sum(axis=1),
        sums[:, _TWO] / attentions,
        sums[:, _THREE] / attentions,
        sums[:, _HEADS] / attentions,
        sums[:, _EXPAND] / blocks,
        sums[:, _KERNEL] / blocks,
        sums[:, _RELU6] / blocks,
        sums[:, _RELU] / blocks,
        networks.coarse,
        np.minimum(sums[:, _FUSED], 1.0),
        sums[:, _FINAL],
        np.minimum(sums[:, _BILINEAR], 1.0),
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
        "head": _head(head) if isinstance(head, SegHead) else head.widths,
        "expand": frozenset(conv.expand for conv in convs),
        "kernel": frozenset(conv.kernel for conv in convs),
        "heads_ratio": frozenset(block.msa.heads_ratio for block in blocks if block.msa is not None),
        "upsample": arch.upsample,
        "msa": tuple(block.msa is not None for block in blocks) if _departs(arch) else (),
        "scales": frozenset(block.msa.scales for block in blocks if block.msa is not None),
        "activation": frozenset(stage.activation for stage in arch.stages),
    }


def _head(head: SegHead) -> tuple[object, ...]:
    return head.width, head.depth, head.stride, head.inputs, head.block, head.final_expand


def _departs(arch: ArchConfig) -> bool:
    """Whether attention stands elsewhere than in every block of stages 3 and 4."""
    present = [[block.msa is not None for block in stage.blocks] for stage in arch.stages]
    return any(present[0] + present[1]) or not all(present[2] + present[3])
