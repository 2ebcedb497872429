"""In words: where a network leaves the evidence of the published rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from evit_nas.accuracy.estimator.capacity import PARTS
from evit_nas.space.arch import FEWER_NORM_STAGES, ArchConfig, Resolution, SegHead, resolution_text

UNEVEN = 0.25  # in units of one official step (b0 to b1): parts nearer than this stand at the same size
EARNS_NOTHING = ", earns nothing"  # by the published rows


def describe(
    arch: ArchConfig,
    resolution: Resolution,
    *,
    side: float,
    sides: tuple[float, float],
    steps: NDArray[np.float64],
    first: int,
    classes: int,
    final_expand: int,
) -> tuple[str, ...]:
    """Departures of one network from rows with `sides`, `classes` and `final_expand` (0: none).

    `steps` (parts,): its parts in units of the family, 0 at b`first`.
    """
    return tuple(
        dict.fromkeys(
            [
                *_resolution(resolution, side, sides),
                *_sizes(steps, first),
                *((f"{arch.head.classes} classes (published: {classes})",) if arch.head.classes != classes else ()),
                *_blocks(arch),
                *_attention(arch),
                *(_seg_head(arch.head, final_expand) if isinstance(arch.head, SegHead) else ()),
                *(("bilinear upsampling (published: bicubic)",) if _bilinear(arch) else ()),
            ]
        )
    )


def _bilinear(arch: ArchConfig) -> bool:
    return isinstance(arch.head, SegHead) and arch.upsample == "bilinear"


def _resolution(resolution: Resolution, side: float, sides: tuple[float, float]) -> Iterator[str]:
    low, high = sides
    if side < low * 0.999:
        yield f"input {resolution_text(resolution)}: smaller than any published (side {low:.0f})"
    if side > high * 1.001:
        yield f"input {resolution_text(resolution)}: larger than any published (side {high:.0f}), earns nothing there"


def _sizes(steps: NDArray[np.float64], first: int) -> Iterator[str]:
    if np.ptp(steps) > UNEVEN:
        small, large = int(steps.argmin()), int(steps.argmax())
        yield (
            f"parts scaled unevenly: {PARTS[small]} {_place(first, steps[small])}, "
            f"{PARTS[large]} {_place(first, steps[large])}"
        )
    if steps.mean() < -UNEVEN:
        yield f"smaller than the smallest published network, b{first}"


def _place(first: int, step: float) -> str:
    """`at b0.4`: of the way from b0 to b1, in the logarithm of size."""
    return f"below b{first}" if step < -0.05 else f"at b{first + max(0.0, step):.1f}"


def _blocks(arch: ArchConfig) -> Iterator[str]:
    for number, stage in enumerate(arch.stages, start=1):
        convs = [stage.down, *(block.mbconv for block in stage.blocks)]
        for conv in convs:
            if conv.kernel != 3:
                yield f"stage {number}: kernel {conv.kernel} (published: 3)"
            if conv.expand != 4:
                yield f"stage {number}: expand {conv.expand} (published: 4)"
        if stage.activation != "hswish":
            yield f"stage {number}: {stage.activation} (published: hswish)"
    if arch.stem.activation != "hswish":
        yield f"stem: {arch.stem.activation} (published: hswish)"


def _attention(arch: ArchConfig) -> Iterator[str]:
    for number, stage in enumerate(arch.stages, start=1):
        for msa in (block.msa for block in stage.blocks):
            if msa is None:
                if number in FEWER_NORM_STAGES:
                    yield f"stage {number}: blocks without attention (costs what Table 3 says)"
                continue
            if number not in FEWER_NORM_STAGES:
                yield f"stage {number}: attention where none is published{EARNS_NOTHING}"
            if not msa.scales:
                yield f"stage {number}: attention without scales (costs what Table 3 says)"
            elif msa.scales != (5,):
                yield f"stage {number}: scales {msa.scales} (published: (5,))"
            if msa.heads_ratio != 1.0:
                yield f"stage {number}: heads ratio {msa.heads_ratio:g} (published: 1)"


def _seg_head(head: SegHead, final_expand: int) -> Iterator[str]:
    if head.stride != 8 or len(head.inputs) < 3:
        inputs = ",".join(map(str, head.inputs))
        yield f"head at stride {head.stride} from stages {inputs}: counted as an input of up to half the size"
    if head.block != "mbconv" or head.expand != 4 or head.kernel != 3:
        yield f"head block {head.block}, expand {head.expand}, kernel {head.kernel} (published: mbconv, 4, 3)"
    if head.activation != "hswish":
        yield f"head: {head.activation} (published: hswish)"
    if (head.final_expand or 0) != final_expand:
        yield f"head: final expand {head.final_expand or 'none'} (published: {final_expand or 'none'})"
