"""The encoding of a space as arrays: which column is what, and lookup tables for the rules that tie columns together.

Legend of shapes: N rows, C columns, D head dims, W widths of a stage, R heads ratios of a block.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evit_nas.space.arch import heads
from evit_nas.space.dimension import Choice, Dimension, SpaceSpec
from evit_nas.space.ranges import legal_output
from evit_nas.space.schema import ATTENTION_STAGES, block_count

Ints = NDArray[np.int32]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class AttentionColumns:
    """Columns of a block's attention. `on`: whether a choice of `msa` is true.

    `ratio_table` (D, W, R): the ratio that stands for all ratios with the same number of heads, the official one first.
    """

    msa: int
    scales: int
    ratio: int
    on: Bools
    ratio_table: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class BlockColumns:
    expand: int
    kernel: int
    attention: AttentionColumns | None


@dataclass(frozen=True, kw_only=True, eq=False)
class StageColumns:
    """Columns of a stage. `counts`: blocks at each choice of depth. `legal` (D, W): the width suits the head dim.

    `nearest` (D, W): the legal width nearest to a width, the smaller one of two.
    """

    number: int
    width: int
    depth: int
    activation: int
    down_expand: int
    down_kernel: int
    blocks: tuple[BlockColumns, ...]
    counts: Ints
    legal: Bools
    nearest: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class Columns:
    """All columns by name, the number of choices of each and the stages."""

    dimensions: tuple[Dimension, ...]
    index: Mapping[str, int]
    sizes: Ints
    stages: tuple[StageColumns, ...]
    segmentation: bool

    def choices(self, name: str) -> tuple[Choice, ...]:
        return self.dimensions[self.index[name]].choices

    def output_pairs(self) -> list[tuple[int, int]]:
        """Legal pairs of the indices of `head.stride` and `head.inputs`."""
        strides, inputs = self.choices("head.stride"), self.choices("head.inputs")
        return [
            (i, j) for i, stride in enumerate(strides) for j, own in enumerate(inputs) if _legal_output(stride, own)
        ]


def columns_of(spec: SpaceSpec) -> Columns:
    """The columns of a space, in the order of its dimensions."""
    index = {dimension.name: i for i, dimension in enumerate(spec.dimensions)}
    choices = {dimension.name: dimension.choices for dimension in spec.dimensions}
    return Columns(
        dimensions=spec.dimensions,
        index=index,
        sizes=np.array([len(dimension.choices) for dimension in spec.dimensions], dtype=np.int32),
        stages=tuple(_stage(spec, number, index, choices) for number in (1, 2, 3, 4)),
        segmentation=spec.task == "seg",
    )


def _legal_output(stride: Any, inputs: Any) -> bool:
    return legal_output(stride, inputs)


def _stage(
    spec: SpaceSpec, number: int, index: Mapping[str, int], choices: Mapping[str, tuple[Any, ...]]
) -> StageColumns:
    name = f"stage{number}"
    widths, dims = np.array(choices[f"{name}.width"]), np.array(choices["head_dim"])
    legal = (widths[None] % dims[:, None] == 0) | (number not in spec.aligned)
    order = np.argsort(widths, kind="stable")
    distance = np.where(legal[:, None], np.abs(widths[:, None] - widths[None])[None], np.iinfo(np.int64).max)
    nearest = order[np.argmin(distance[..., order], axis=-1)]
    counts = [block_count(number, depth) for depth in choices[f"{name}.depth"]]
    present = sum(f"{name}.block{i}.expand" in index for i in range(1, len(index)))
    return StageColumns(
        number=number,
        width=index[f"{name}.width"],
        depth=index[f"{name}.depth"],
        activation=index[f"{name}.activation"],
        down_expand=index[f"{name}.down.expand"],
        down_kernel=index[f"{name}.down.kernel"],
        blocks=tuple(_block(f"{name}.block{i}", number, index, choices) for i in range(1, present + 1)),
        counts=np.array(counts, dtype=np.int32),
        legal=legal,
        nearest=nearest.astype(np.int32),
    )


def _block(name: str, stage: int, index: Mapping[str, int], choices: Mapping[str, tuple[Any, ...]]) -> BlockColumns:
    attention = None
    if stage in ATTENTION_STAGES:
        dims, widths = choices["head_dim"], choices[f"stage{stage}.width"]
        ratios = choices[f"{name}.heads_ratio"]
        table = [[_same_heads(width, dim, ratios) for width in widths] for dim in dims]
        attention = AttentionColumns(
            msa=index[f"{name}.msa"],
            scales=index[f"{name}.scales"],
            ratio=index[f"{name}.heads_ratio"],
            on=np.array(choices[f"{name}.msa"], dtype=np.bool_),
            ratio_table=np.array(table, dtype=np.int32),
        )
    return BlockColumns(expand=index[f"{name}.expand"], kernel=index[f"{name}.kernel"], attention=attention)


def _same_heads(width: int, head_dim: int, ratios: tuple[float, ...]) -> list[int]:
    counts = [heads(width, head_dim, ratio) for ratio in ratios]
    preferred = sorted(range(len(ratios)), key=lambda i: (ratios[i] != 1.0, i))
    return [next(i for i in preferred if counts[i] == count) for count in counts]
