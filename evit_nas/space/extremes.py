"""The smallest and the largest member of a space by structure, as rows.

Every dimension takes its least (or greatest) choice by what it adds to a network: pixels, channels, layers, kernel
area. Attention absent is less than present, mbconv less than fmbconv, bilinear less than bicubic, stride 16 less than
8. Activations cost no parameters and no MACs: both ends take the official one where the space has it, else the first.
Of several head dims the one with the least (greatest) widths counts, then the least (greatest) head dim.
"""

from __future__ import annotations

import numpy as np

from evit_nas.space.canonical import canonical
from evit_nas.space.columns import Columns, Ints, StageColumns
from evit_nas.space.dimension import Choice, Dimension


def extreme(columns: Columns, *, largest: bool) -> Ints:
    """The row (1, C) of the largest, or of the smallest, member."""
    sign = -1 if largest else 1
    row = np.array([_end(dimension, sign) for dimension in columns.dimensions], dtype=np.int32)
    if columns.segmentation:
        stride, inputs = columns.index["head.stride"], columns.index["head.inputs"]
        sizes = [[_weight(columns.dimensions[c], i) for i in range(columns.sizes[c])] for c in (stride, inputs)]
        row[stride], row[inputs] = min(columns.output_pairs(), key=lambda p: sign * (sizes[0][p[0]] + sizes[1][p[1]]))
    head_dims = columns.choices("head_dim")
    options = []
    for dim, value in enumerate(head_dims):
        chosen = [_legal_width(columns, stage, dim, sign) for stage in columns.stages]
        total = sum(width for _, width in chosen)
        options.append((sign * total, sign * _number(value), dim, [index for index, _ in chosen]))
    _, _, row[columns.index["head_dim"]], widths = min(options)
    for stage, width in zip(columns.stages, widths, strict=True):
        row[stage.width] = width
    return canonical(columns, row[None])


def _legal_width(columns: Columns, stage: StageColumns, dim: int, sign: int) -> tuple[int, float]:
    widths = columns.dimensions[stage.width].choices
    legal = np.flatnonzero(stage.legal[dim]).tolist()
    index = min(legal, key=lambda i: sign * _number(widths[i]))
    return index, _number(widths[index])


def _end(dimension: Dimension, sign: int) -> int:
    if dimension.group == "activation":
        return dimension.official[0] if dimension.official else 0
    return min(range(len(dimension.choices)), key=lambda i: sign * _weight(dimension, i))


def _weight(dimension: Dimension, index: int) -> float:
    choice = dimension.choices[index]
    if dimension.name == "head.stride":
        return -100 * _number(choice)  # the grid of the logits outweighs the number of inputs
    if dimension.name in ("resolution", "head.widths") and isinstance(choice, tuple):
        return float(choice[0] * choice[1])
    if isinstance(choice, tuple):  # scales and inputs: one more kernel or stage is more
        return float(sum(item * item for item in choice))
    return (
        float(("mbconv", "fmbconv", "bilinear", "bicubic").index(choice))
        if isinstance(choice, str)
        else _number(choice)
    )


def _number(choice: Choice) -> float:
    return float(choice) if isinstance(choice, int | float) else 0.0
