"""How many members a space has, exactly, and uniform draws from them.

Count. The body of a network is counted once per head dim; a network without attention would then be counted once for
every head dim that suits its widths, and the surplus is taken off again. Everything else is a product.

Draw. Head dim, then each stage's width and depth together, are drawn by the number of networks behind them, all else
evenly; a network without attention is kept only under its canonical head dim. So all members are equally likely.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np

from evit_nas.space.canonical import canonical
from evit_nas.space.columns import AttentionColumns, BlockColumns, Columns, Ints, StageColumns


@dataclass(frozen=True, slots=True)
class _BlockWays:
    """Choices of one block: without attention, and with it."""

    plain: int
    attended: int


def size(columns: Columns) -> int:
    """The number of distinct members (architecture and resolution)."""
    dims = range(columns.sizes[columns.index["head_dim"]])
    bodies = sum(prod(sum(_stage_ways(columns, stage, dim).values()) for stage in columns.stages) for dim in dims)
    return _outside_body(columns) * (bodies - _surplus(columns))


def _outside_body(columns: Columns) -> int:
    names = ["resolution", "stem.width", "stem.depth", "stem.activation"]
    if not columns.segmentation:
        return prod(len(columns.choices(name)) for name in (*names, "head.widths", "head.activation"))
    names += ["upsample", "head.width"]
    head = len(columns.output_pairs()) * sum(_head_ways(columns).values())
    return head * prod(len(columns.choices(name)) for name in names)


def _head_ways(columns: Columns) -> dict[tuple[int, int], int]:
    """Ways to complete a segmentation head, by the indices of its depth and of its final expand."""
    shapes = prod(len(columns.choices(f"head.{name}")) for name in ("block", "expand", "kernel", "activation"))
    ways = {}
    for i, depth in enumerate(columns.choices("head.depth")):
        for j, final in enumerate(columns.choices("head.final_expand")):
            ways[i, j] = shapes if depth else 1 if final is None else len(columns.choices("head.activation"))
    return ways


def _block_ways(columns: Columns, stage: StageColumns, block: BlockColumns, dim: int, width: int) -> _BlockWays:
    convolutions = int(columns.sizes[block.expand] * columns.sizes[block.kernel])
    own = block.attention
    if own is None:
        return _BlockWays(convolutions, 0)
    kinds = int(columns.sizes[own.scales]) * len(set(own.ratio_table[dim, width].tolist()))
    return _BlockWays(convolutions * int((~own.on).sum()), convolutions * kinds * int(own.on.sum()))


def _stage_free(columns: Columns, stage: StageColumns) -> int:
    return prod(int(columns.sizes[column]) for column in (stage.activation, stage.down_expand, stage.down_kernel))


def _stage_ways(columns: Columns, stage: StageColumns, dim: int) -> dict[tuple[int, int], int]:
    """Ways to complete a stage under a head dim, by the indices of its width and depth (only legal widths)."""
    free = _stage_free(columns, stage)
    result = {}
    for width in np.flatnonzero(stage.legal[dim]).tolist():
        upto = [free]
        for block in stage.blocks:
            ways = _block_ways(columns, stage, block, dim, width)
            upto.append(upto[-1] * (ways.plain + ways.attended))
        for depth, count in enumerate(stage.counts.tolist()):
            result[width, depth] = upto[count]
    return result


def _surplus(columns: Columns) -> int:
    """Networks without attention, counted once less than the head dims that suit each."""
    plain = 1
    for stage in columns.stages:
        upto = [_stage_free(columns, stage)]
        for block in stage.blocks:
            upto.append(upto[-1] * _block_ways(columns, stage, block, 0, 0).plain)
        plain *= sum(upto[count] for count in stage.counts.tolist())
    if plain == 0:
        return 0
    patterns: dict[tuple[bool, ...], int] = {(True,) * len(columns.stages[0].legal): 1}  # head dims that suit: widths
    for stage in columns.stages:
        grown: dict[tuple[bool, ...], int] = {}
        for (pattern, count), legal in product(patterns.items(), stage.legal.T.tolist()):
            both = tuple(a and b for a, b in zip(pattern, legal, strict=True))
            grown[both] = grown.get(both, 0) + count
        patterns = grown
    return plain * sum(count * (sum(pattern) - 1) for pattern, count in patterns.items() if any(pattern))


def sample(columns: Columns, seed: int, n: int) -> Ints:
    """`n` independent uniform draws as canonical rows (n, C). A seed gives the same rows every time."""
    generator = np.random.default_rng(seed)
    kept: list[Ints] = []
    missing = n
    while missing > 0:
        rows = _draw(columns, generator, max(16, missing))
        legal = canonical(columns, rows)
        kept.append(legal[_same_network(columns, rows, legal)][:missing])
        missing -= len(kept[-1])
    return np.concatenate(kept) if kept else np.zeros((0, len(columns.sizes)), dtype=np.int32)


def _same_network(columns: Columns, rows: Ints, legal: Ints) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Rows whose head dim is the canonical one (draws leave nothing else to repair)."""
    head_dim = columns.index["head_dim"]
    same: np.ndarray[tuple[int], np.dtype[np.bool_]] = rows[:, head_dim] == legal[:, head_dim]
    return same


def _draw(columns: Columns, generator: np.random.Generator, n: int) -> Ints:
    rows = generator.integers(0, columns.sizes, size=(n, len(columns.sizes)), dtype=np.int32)
    if columns.segmentation:
        _draw_head(columns, generator, rows)
    by_dim = [
        [_stage_ways(columns, stage, dim) for stage in columns.stages]
        for dim in range(columns.sizes[columns.index["head_dim"]])
    ]
    bodies = [prod(sum(ways.values()) for ways in stages) for stages in by_dim]
    dims = _weighted(generator, bodies, n)
    rows[:, columns.index["head_dim"]] = dims
    for dim, stages in enumerate(by_dim):
        chosen = np.flatnonzero(dims == dim)
        for stage, ways in zip(columns.stages, stages, strict=True):
            pairs = np.array(list(ways), dtype=np.int32)[_weighted(generator, list(ways.values()), len(chosen))]
            rows[chosen, stage.width], rows[chosen, stage.depth] = pairs[:, 0], pairs[:, 1]
    for stage in columns.stages:
        for block in stage.blocks:
            if block.attention is not None:
                _draw_attention(columns, generator, rows, stage, block.attention)
    return rows


def _draw_head(columns: Columns, generator: np.random.Generator, rows: Ints) -> None:
    index, n = columns.index, len(rows)
    pairs = np.array(columns.output_pairs(), dtype=np.int32)
    rows[:, [index["head.stride"], index["head.inputs"]]] = pairs[generator.integers(0, len(pairs), size=n)]
    ways = _head_ways(columns)
    chosen = np.array(list(ways), dtype=np.int32)[_weighted(generator, list(ways.values()), n)]
    rows[:, [index["head.depth"], index["head.final_expand"]]] = chosen


def _draw_attention(
    columns: Columns, generator: np.random.Generator, rows: Ints, stage: StageColumns, own: AttentionColumns
) -> None:
    """Attention in proportion to its kinds, and ratios evenly over distinct numbers of heads."""
    dims, widths = rows[:, columns.index["head_dim"]], rows[:, stage.width]
    distinct = (own.ratio_table == np.arange(own.ratio_table.shape[-1])).astype(np.float64)  # (D, W, R)
    kinds = distinct.sum(-1) * columns.sizes[own.scales]
    weights = np.where(own.on, kinds[..., None], 1.0)  # (D, W, choices of msa)
    rows[:, own.msa] = _pick(generator, weights[dims, widths])
    rows[:, own.ratio] = _pick(generator, distinct[dims, widths])


def _pick(generator: np.random.Generator, weights: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Ints:
    """One index per row of `weights` (N, K), in proportion to them."""
    edges = np.cumsum(weights, axis=1)
    points = generator.random(len(weights)) * edges[:, -1]
    chosen: Ints = (points[:, None] >= edges).sum(axis=1).astype(np.int32)
    return chosen


def _weighted(generator: np.random.Generator, weights: list[int], n: int) -> Ints:
    """`n` indices in proportion to integers of any size."""
    total = sum(weights)
    return generator.choice(len(weights), size=n, p=[weight / total for weight in weights]).astype(np.int32)
