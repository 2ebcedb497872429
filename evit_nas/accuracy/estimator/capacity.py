"""How large each part of a network is, counted only in what the published rows give evidence on.

The additive terms of a block are parameters at the convention of the official family: expand ratio 4, kernel 3, heads
at most width / head_dim, one scale. Spending more there changes nothing; spending less counts as a smaller block.
Blocks do not know their stage, but their pixels do: parameters weighted by (1, px, px^2, ...) are moments over the
strides of the network, and the strides are known, so `parts` solves for the share of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evit_nas.graph.blocks import (
    Block,
    ClsOut,
    DSConv,
    FusedMBConv,
    HeadAdd,
    HeadInput,
    HeadOut,
    MBConv,
    Msa,
    StemConv,
)

Floats = NDArray[np.float64]

PARTS = ("stem and stage1", "stage2 and head body", "stage3", "stage4", "head")
OFFICIAL_EXPAND = 4
FULL_HEAD_INPUTS = 3

# positions in the vector of terms; those of moments (1, px, px^2, ...) take as many as there are strides
_STEM, _PLAIN, _DEEP, _MSA, _ATTENTION, _SCALES, _DEEP_BLOCKS, _HEAD, _COARSE = 0, 1, 4, 6, 10, 14, 18, 19, 20
TERMS = 21


def at_strides(strides: tuple[int, ...]) -> Floats:
    """Moments over pixel shares 1 / stride^2 -> amount at each stride."""
    shares = np.array([1.0 / stride**2 for stride in strides])
    return np.linalg.inv(np.vander(shares, increasing=True).T)


_PLAIN_STRIDES = at_strides((4, 8, 16))
_DEEP_STRIDES = at_strides((16, 32))
_MSA_STRIDES = at_strides((4, 8, 16, 32))


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """Of N networks. `log_size`: natural logarithm of the parameters at the convention, (N, len(PARTS)).

    `attention` and `scales`: blocks of stages 3-4 that keep their attention and its scales, as a share of all, (N,).
    `coarse`: 1 where the head's finest input or its output is at stride 16, (N,).
    """

    log_size: Floats
    attention: Floats
    scales: Floats
    coarse: Floats


def block_terms(blocks: Sequence[Block], *, final_expand: int, classes: int) -> Floats:
    """Additive terms of `blocks`, shape (TERMS,); the head's output counts at most `final_expand` and `classes`."""
    terms = [0.0] * TERMS
    for block in blocks:
        _add(terms, block, final_expand, classes)
    return np.array(terms)


def _add(terms: list[float], block: Block, final_expand: int, classes: int) -> None:
    match block:
        case MBConv():
            _add_mbconv(terms, block)
        case Msa():
            _add_msa(terms, block)
        case StemConv():
            terms[_STEM] += 27.0 * block.cout
        case DSConv():
            terms[_STEM] += block.channels * (9.0 + block.channels)
        case FusedMBConv():
            size = _inverted(block.channels, block.channels, block.expand)
            _moments(terms, _PLAIN, 3, size, block.height * block.width)
        case HeadInput():
            terms[_HEAD] += float(block.cin * block.channels)
        case HeadAdd():
            terms[_COARSE] += float(block.count < FULL_HEAD_INPUTS)  # a head at stride 16 has at most two
        case HeadOut():
            terms[_HEAD] += _output(block.channels, block.final_expand or 0, final_expand, classes)
        case ClsOut():
            first, second = block.widths
            terms[_HEAD] += float(block.cin * first + first * second + second * classes)


def _inverted(cin: int, cout: int, expand: int) -> float:
    """A block that expands less counts as a narrower one of the official ratio: width has evidence, expand has none."""
    narrowed = min(expand, OFFICIAL_EXPAND) / OFFICIAL_EXPAND
    return OFFICIAL_EXPAND * cin * narrowed * ((cin + cout) * narrowed + 9)


def _output(channels: int, expand: int, official: int, classes: int) -> float:
    """As `_inverted`: less final expansion than the official counts as a narrower output, more as the official one."""
    if not official or not expand:
        return float(channels * classes)
    narrow = channels * min(expand, official) / official
    return narrow * official * (narrow + classes)


def _add_mbconv(terms: list[float], block: MBConv) -> None:
    size = _inverted(block.cin, block.cout, block.expand)
    pixels = block.height * block.width // block.stride**2
    if not block.bias:
        _moments(terms, _PLAIN, 3, size, pixels)
        return
    _moments(terms, _DEEP, 2, size, pixels)
    terms[_DEEP_BLOCKS] += block.residual


def _add_msa(terms: list[float], block: Msa) -> None:
    pixels = block.height * block.width
    kept = min(1.0, block.heads / max(1, round(block.channels / block.head_dim)))
    scaled = kept if block.scales else 0.0
    _moments(terms, _MSA, 4, block.channels**2 * (4.0 * kept + scaled), pixels)
    _moments(terms, _ATTENTION, 4, kept, pixels)
    _moments(terms, _SCALES, 4, scaled, pixels)


def _moments(terms: list[float], start: int, count: int, amount: float, pixels: int) -> None:
    for power in range(count):
        terms[start + power] += amount
        amount *= pixels


def parts(sums: Floats, resolutions: Floats) -> Parts:
    """Part sizes of N networks from the sums (N, TERMS) of their terms and their inputs (N, 2) in pixels."""
    area = np.prod(np.asarray(resolutions, dtype=np.float64), axis=1, keepdims=True)
    powers = area ** np.arange(4)

    def split(start: int, inverse: Floats) -> Floats:
        count = len(inverse)
        return np.asarray((sums[:, start : start + count] / powers[:, :count]) @ inverse.T)

    plain, deep, msa = split(_PLAIN, _PLAIN_STRIDES), split(_DEEP, _DEEP_STRIDES), split(_MSA, _MSA_STRIDES)
    sizes = np.stack(
        [
            sums[:, _STEM] + plain[:, 0],
            plain[:, 1] + plain[:, 2],
            deep[:, 0] + msa[:, 2],
            deep[:, 1] + msa[:, 3],
            sums[:, _HEAD],
        ],
        axis=1,
    )
    blocks = np.maximum(sums[:, _DEEP_BLOCKS], 1.0)
    share = [split(start, _MSA_STRIDES)[:, 2:].sum(axis=1) / blocks for start in (_ATTENTION, _SCALES)]
    kept = [np.clip(s, 0.0, 1.0) for s in share]
    return Parts(
        log_size=np.log(np.maximum(sizes, 1.0)),
        attention=kept[0],
        scales=kept[1],
        coarse=np.minimum(sums[:, _COARSE], 1.0),
    )
