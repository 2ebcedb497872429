"""Which columns decide which blocks of a network: what batch scoring builds once and sums.

The slots of a space hold every placed block of a member exactly once (graph/blocks.py; the paths are those of the
official state_dict). Rows that agree on a slot's columns have equal blocks in it.
"""

from __future__ import annotations

from evit_nas.space.columns import Columns, StageColumns
from evit_nas.space.dimension import Slot


def slots_of(columns: Columns) -> tuple[Slot, ...]:
    """The slots in execution order. Columns with one choice are left out: they decide nothing."""
    found = [_slot(columns, ("backbone.input_stem.",), "resolution", "stem.width", "stem.depth", "stem.activation")]
    before = "stem.width"
    for stage in columns.stages:
        found += _stage(columns, stage, before)
        before = f"stage{stage.number}.width"
    if columns.segmentation:
        found += _seg_head(columns)
    else:
        found.append(_slot(columns, ("head",), "resolution", "stage4.width", "head.widths", "head.activation"))
    return tuple(found)


def _slot(columns: Columns, prefixes: tuple[str, ...], *names: str) -> Slot:
    wanted = sorted(columns.index[name] for name in names)
    return Slot(prefixes=prefixes, columns=tuple(column for column in wanted if columns.sizes[column] > 1))


def _stage(columns: Columns, stage: StageColumns, before: str) -> list[Slot]:
    name, prefix = f"stage{stage.number}", f"backbone.stages.{stage.number - 1}.op_list"
    shape = ("resolution", f"{name}.width")
    act = f"{name}.activation"
    down = (f"{name}.down.expand", f"{name}.down.kernel")
    found = [_slot(columns, (f"{prefix}.0.main",), *shape, before, act, *down)]
    for i, block in enumerate(stage.blocks, start=1):
        part = f"{name}.block{i}"
        present = (*shape, f"{name}.depth")
        if block.attention is not None:
            own = (f"{part}.msa", f"{part}.scales", f"{part}.heads_ratio", "head_dim")
            found.append(_slot(columns, (f"{prefix}.{i}.context_module.main",), *present, *own))
        paths = (f"{prefix}.{i}.main", f"{prefix}.{i}.local_module.main")
        found.append(_slot(columns, paths, *present, act, f"{part}.expand", f"{part}.kernel"))
    return found


def _seg_head(columns: Columns) -> list[Slot]:
    shape = ("resolution", "head.width", "head.stride")
    inputs = [inputs for inputs in columns.choices("head.inputs") if isinstance(inputs, tuple)]
    longest, fewest = max(inputs, key=len), min(map(len, inputs))  # a shorter list is the start of a longer one
    found = []
    for i, stage in enumerate(longest):
        present = ("head.inputs",) if i >= fewest else ()
        found.append(_slot(columns, (f"head.input_ops.{i}",), *shape, f"stage{stage}.width", "upsample", *present))
    found.append(_slot(columns, ("head.add",), *shape, "head.inputs"))
    kind = ("head.depth", "head.block", "head.expand", "head.kernel", "head.activation")
    deepest = max(depth for depth in columns.choices("head.depth") if isinstance(depth, int))
    found += [_slot(columns, (f"head.middle.op_list.{i}.main",), *shape, *kind) for i in range(deepest)]
    out = ("head.depth", "head.final_expand", "head.activation")
    return [*found, _slot(columns, ("head.output_ops.0",), *shape, *out)]
