"""`evit-nas arch`: what a network is made of, in the official convention."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

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
    layout,
)
from evit_nas.graph.cost import (
    arch_macs,
    arch_params,
    block_macs,
    block_params,
    peak_activation_bytes,
    signature_macs,
)
from evit_nas.graph.emit import emit
from evit_nas.graph.fuse import fuse
from evit_nas.graph.lowering import OURS, PLAIN, Schedule, strip_schedule
from evit_nas.space.arch import ArchConfig, Resolution, resolution_text
from evit_nas.workflows.candidates import resolve_arch
from evit_nas.workflows.results import ArchResult, StageRow
from evit_nas.workflows.schedule import check_schedule, known_schedule, schedule_name


def arch(
    arch: str | Path | ArchConfig,
    *,
    resolution: Resolution | None = None,
    upsample: str | None = None,
    schedule: str = "plain",
) -> ArchResult:
    """Parameters, MACs and a table by stage; what really runs (`kernel_macs`, peak memory) is of our lowering.

    `schedule`: `auto` is what was measured as faster on this machine, without measuring now; plain where nothing was.
    """
    check_schedule(schedule)
    found = resolve_arch(arch, upsample=upsample)
    size = found.at(resolution)
    chosen = _schedule(schedule, found.arch, size)
    graph = emit(found.arch, size, replace(OURS, schedule=chosen))
    placed = layout(found.arch, size)
    stages = [(name, [p.block for p in group]) for name, group in groupby(placed, key=lambda p: p.stage)]
    return ArchResult(
        arch=found.name,
        resolution=resolution_text(size),
        params=arch_params(found.arch),
        macs=arch_macs(found.arch, size),
        stages=tuple(_row(name, blocks) for name, blocks in stages),
        kernel_macs=sum(signature_macs(kernel.signature) for kernel in fuse(graph).kernels),
        peak_activation_bytes=peak_activation_bytes(graph),
        schedule=schedule_name(chosen),
    )


def _schedule(schedule: str, arch: ArchConfig, size: Resolution) -> Schedule:
    if schedule == "auto":
        return known_schedule(arch, size)
    return strip_schedule(arch, size) if schedule == "strips" else PLAIN


def _row(name: str, blocks: Sequence[Block]) -> StageRow:
    counts = Counter(type(block).__name__ for block in blocks)
    channels, height, width = output_shape(blocks[-1])
    return StageRow(
        name=name,
        blocks=", ".join(f"{count} {kind}" if count > 1 else kind for kind, count in counts.items()),
        channels=channels,
        height=height,
        width=width,
        params=sum(block_params(block) for block in blocks),
        macs=sum(block_macs(block) for block in blocks),
    )


def output_shape(block: Block) -> tuple[int, int, int]:
    """Channels, height and width of a block's output."""
    match block:
        case StemConv():
            return block.cout, block.height // 2, block.width // 2
        case MBConv():
            return block.cout, block.height // block.stride, block.width // block.stride
        case DSConv() | FusedMBConv() | Msa() | HeadAdd():
            return block.channels, block.height, block.width
        case HeadInput():
            return block.channels, block.height * block.factor, block.width * block.factor
        case HeadOut():
            return block.classes, block.height, block.width
        case ClsOut():
            return block.classes, 1, 1
