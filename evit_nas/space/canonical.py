"""Rows of indices made legal and unique, in arrays: equal rows are equal networks, and the other way round.

Three kinds of repair, in this order: indices are clipped into range; combinations that no network has are moved to the
nearest legal one (head stride and inputs; widths of attention stages to multiples of the head dim); columns that do not
count in a row (blocks beyond the depth, scales without attention, the head's blocks at depth 0) become 0. The head dim
of a network without attention is the first one that suits its widths, and of ratios that give the same number of heads
the official one stands for all.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from evit_nas.errors import InputError
from evit_nas.space.columns import Bools, Columns, Ints


def canonical(columns: Columns, rows: ArrayLike) -> Ints:
    """The canonical rows (N, C) nearest to `rows` (N, C) of any integers. Raises InputError for another shape."""
    given = np.asarray(rows)
    count = len(columns.sizes)
    if given.ndim != 2 or given.shape[1] != count or given.dtype.kind not in "iu":
        raise InputError(f"rows of shape {given.shape} and type {given.dtype}: needs integers of shape (N, {count})")
    table = np.clip(given.T, 0, (columns.sizes - 1)[:, None]).astype(np.int32, order="C")  # (C, N): columns contiguous
    if columns.segmentation:
        _repair_output(columns, table)
    mask = _active(columns, table)
    head_dim = columns.index["head_dim"]
    attention = mask[head_dim]
    _settle_head_dim(columns, table, attention)
    for stage in columns.stages:
        table[stage.width] = stage.nearest[table[head_dim], table[stage.width]]
    _settle_head_dim(columns, table, attention)
    for stage in columns.stages:
        for block in stage.blocks:
            if block.attention is not None:
                own = block.attention
                table[own.ratio] = own.ratio_table[table[head_dim], table[stage.width], table[own.ratio]]
    mask[head_dim] = True
    return np.ascontiguousarray((table * mask).T)


def active(columns: Columns, rows: Ints) -> Bools:
    """Which columns count in each of the canonical `rows`, shape (N, C)."""
    return _active(columns, np.ascontiguousarray(rows.T)).T


def _active(columns: Columns, table: Ints) -> Bools:
    mask = np.ones(table.shape, dtype=np.bool_)
    any_attention = np.zeros(table.shape[1], dtype=np.bool_)
    for stage in columns.stages:
        counts = stage.counts[table[stage.depth]]
        for i, block in enumerate(stage.blocks):
            present = counts > i
            mask[block.expand] = mask[block.kernel] = present
            if block.attention is not None:
                own = block.attention
                placed = present & own.on[table[own.msa]]
                mask[own.msa] = present
                mask[own.scales] = mask[own.ratio] = placed
                any_attention |= placed
    mask[columns.index["head_dim"]] = any_attention
    if columns.segmentation:
        _mask_head(columns, table, mask)
    return mask


def _mask_head(columns: Columns, table: Ints, mask: Bools) -> None:
    index = columns.index
    deep = np.array([depth != 0 for depth in columns.choices("head.depth")])
    blocks = deep[table[index["head.depth"]]]
    for name in ("block", "expand", "kernel"):
        mask[index[f"head.{name}"]] = blocks
    expands = np.array([ratio is not None for ratio in columns.choices("head.final_expand")])
    mask[index["head.activation"]] = blocks | expands[table[index["head.final_expand"]]]


def _settle_head_dim(columns: Columns, table: Ints, attention: Bools) -> None:
    """Without attention: the first head dim that suits all widths, where there is one."""
    row = columns.index["head_dim"]
    suits = np.ones((columns.sizes[row], table.shape[1]), dtype=np.bool_)
    for stage in columns.stages:
        suits &= stage.legal[:, table[stage.width]]
    first = np.argmax(suits, axis=0)
    table[row] = np.where(attention | ~suits.any(axis=0), table[row], first)


def _repair_output(columns: Columns, table: Ints) -> None:
    """Move inputs to what the stride can take, or the stride where no such inputs are among the choices."""
    stride, inputs = columns.index["head.stride"], columns.index["head.inputs"]
    pairs = columns.output_pairs()
    repaired = np.array(
        [
            [min(pairs, key=lambda pair: (pair[0] != i, pair[1] != j)) for j in range(columns.sizes[inputs])]
            for i in range(columns.sizes[stride])
        ],
        dtype=np.int32,
    )
    chosen = repaired[table[stride], table[inputs]]
    table[stride], table[inputs] = chosen[:, 0], chosen[:, 1]
