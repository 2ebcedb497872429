"""Between candidates and their values by dimension: what an architecture is in the words of a space, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from evit_nas.space.arch import (
    ArchConfig,
    BlockConfig,
    ClsHead,
    MBConvConfig,
    MsaConfig,
    Resolution,
    SegHead,
    StageConfig,
    StemConfig,
)
from evit_nas.space.columns import Columns, StageColumns
from evit_nas.space.dimension import Candidate, Choice, SpaceSpec
from evit_nas.space.ranges import legal_output
from evit_nas.space.schema import ATTENTION_STAGES, official_depth

SEARCHED_EPS = 1e-6  # the official 1e-15 underflows in fp16

Value = tuple[str, Choice]  # name of a dimension and the choice taken in it


def values_of(arch: ArchConfig, resolution: Resolution) -> Iterator[Value]:
    """The dimensions that count in a candidate, with its values. eps is no dimension."""
    yield "resolution", resolution
    yield from (("stem.width", arch.stem.width), ("stem.depth", arch.stem.depth))
    yield "stem.activation", arch.stem.activation
    attention = False
    for number, stage in enumerate(arch.stages, start=1):
        attention |= any(block.msa is not None for block in stage.blocks)
        yield from _stage_values(number, stage, official_depth(arch, number))
    if attention:
        yield "head_dim", arch.head_dim
    if isinstance(arch.head, SegHead):
        yield "upsample", arch.upsample
        yield from _head_values(arch.head)
    else:
        yield from (("head.widths", arch.head.widths), ("head.activation", arch.head.activation))


def _stage_values(number: int, stage: StageConfig, depth: int) -> Iterator[Value]:
    name = f"stage{number}"
    yield from ((f"{name}.width", stage.width), (f"{name}.depth", depth), (f"{name}.activation", stage.activation))
    yield from ((f"{name}.down.expand", stage.down.expand), (f"{name}.down.kernel", stage.down.kernel))
    for i, block in enumerate(stage.blocks, start=1):
        part = f"{name}.block{i}"
        yield from ((f"{part}.expand", block.mbconv.expand), (f"{part}.kernel", block.mbconv.kernel))
        if number in ATTENTION_STAGES or block.msa is not None:
            yield f"{part}.msa", block.msa is not None
        if block.msa is not None:
            yield f"{part}.scales", block.msa.scales
            yield f"{part}.heads_ratio", block.msa.heads_ratio


def _head_values(head: SegHead) -> Iterator[Value]:
    yield from (("head.width", head.width), ("head.depth", head.depth), ("head.final_expand", head.final_expand))
    yield from (("head.stride", head.stride), ("head.inputs", head.inputs))
    if head.depth:
        yield from (("head.block", head.block), ("head.expand", head.expand), ("head.kernel", head.kernel))
    if head.depth or head.final_expand is not None:
        yield "head.activation", head.activation


def why_not(
    spec: SpaceSpec, columns: Columns, lookup: Mapping[str, Mapping[Choice, int]], candidate: Candidate
) -> str | None:
    """Why a candidate is no member, in one line; None where it is one."""
    arch = candidate.arch
    if arch.task != spec.task:
        return f"it is a network for {arch.task}; the space is for {spec.task}"
    if arch.head.classes != spec.classes:
        return f"it has {arch.head.classes} classes; the space has {spec.classes}"
    values = dict(values_of(arch, candidate.resolution))
    for name, value in values.items():
        if name not in lookup:
            return f"{name} is {_shown(value)}; the space has no such dimension"
        if value not in lookup[name]:
            return f"{name} is {_shown(value)}; the space has {', '.join(map(_shown, lookup[name]))}"
    if isinstance(arch.head, SegHead) and not legal_output(arch.head.stride, arch.head.inputs):
        return f"head stride {arch.head.stride} does not go with inputs {_shown(arch.head.inputs)}"
    return _unaligned(columns, lookup, values)


def _unaligned(columns: Columns, lookup: Mapping[str, Mapping[Choice, int]], values: dict[str, Choice]) -> str | None:
    """Without attention any head dim of the space may suit the widths."""
    dims = [values["head_dim"]] if "head_dim" in values else list(lookup["head_dim"])
    for dim in dims:
        row = lookup["head_dim"][dim]
        widths = [lookup[name][values[name]] for name in (f"stage{stage.number}.width" for stage in columns.stages)]
        if all(stage.legal[row, width] for stage, width in zip(columns.stages, widths, strict=True)):
            return None
    stages = ", ".join(str(stage.number) for stage in columns.stages if not stage.legal.all())
    return f"the widths of stages {stages} are not multiples of head_dim {' or '.join(map(_shown, dims))}"


def _shown(value: Choice) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(map(str, value)) + "]"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def decode_row(spec: SpaceSpec, columns: Columns, row: list[int]) -> Candidate:
    """The candidate of one canonical row. What does not count in it takes the configs' defaults."""
    chosen: dict[str, Any] = {d.name: d.choices[i] for d, i in zip(columns.dimensions, row, strict=True)}
    first, second, third, fourth = (_stage_config(stage, columns, row) for stage in columns.stages)
    arch = ArchConfig(
        stem=StemConfig(width=chosen["stem.width"], depth=chosen["stem.depth"], activation=chosen["stem.activation"]),
        stages=(first, second, third, fourth),
        head=_seg_head(spec.classes, chosen) if spec.task == "seg" else _cls_head(spec.classes, chosen),
        head_dim=chosen["head_dim"],
        upsample=chosen.get("upsample", "bilinear"),
        eps=SEARCHED_EPS,
    )
    return Candidate(arch, chosen["resolution"])


def _seg_head(classes: int, chosen: Mapping[str, Any]) -> SegHead:
    depth, final = chosen["head.depth"], chosen["head.final_expand"]
    shape = ("block", "expand", "kernel") if depth else ()
    act = ("activation",) if depth or final is not None else ()
    taken = {key: chosen[f"head.{key}"] for key in ("width", "depth", "stride", "inputs", "final_expand", *shape, *act)}
    return SegHead(classes=classes, **taken)


def _cls_head(classes: int, chosen: Mapping[str, Any]) -> ClsHead:
    return ClsHead(classes=classes, widths=chosen["head.widths"], activation=chosen["head.activation"])


def _stage_config(stage: StageColumns, columns: Columns, row: list[int]) -> StageConfig:
    def choice(column: int) -> Any:
        return columns.dimensions[column].choices[row[column]]

    blocks = []
    for block in stage.blocks[: stage.counts[row[stage.depth]]]:
        own = block.attention
        placed = own is not None and choice(own.msa)
        scales, ratio = (choice(own.scales), choice(own.ratio)) if own is not None and placed else (None, 1.0)
        blocks.append(_block_config(choice(block.expand), choice(block.kernel), scales, ratio))
    return StageConfig(
        width=choice(stage.width),
        down=_block_config(choice(stage.down_expand), choice(stage.down_kernel), None, 1.0).mbconv,
        blocks=tuple(blocks),
        activation=choice(stage.activation),
    )


@lru_cache(maxsize=4096)
def _block_config(expand: int, kernel: int, scales: tuple[int, ...] | None, ratio: float) -> BlockConfig:
    msa = None if scales is None else MsaConfig(scales=scales, heads_ratio=ratio)
    return BlockConfig(mbconv=MBConvConfig(expand=expand, kernel=kernel), msa=msa)
