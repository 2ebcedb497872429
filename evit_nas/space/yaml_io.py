"""An architecture (and a resolution) to and from YAML without loss. The keys are those of arch.py's configs.

Everything that ArchConfig can say within the ranges of ranges.py can be written, official or not. Omitted keys take the
defaults of the configs, so a file may be short; written files say everything, and any cut of one is an error.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal

import yaml

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
    check_resolution,
)
from evit_nas.space.document import parse_document, read_text
from evit_nas.space.node import Fields, Node
from evit_nas.space.ranges import (
    MAX_BLOCKS,
    legal_output,
    read_activation,
    read_classes,
    read_depth,
    read_eps,
    read_expand,
    read_final_expand,
    read_head_block,
    read_head_dim,
    read_head_widths,
    read_inputs,
    read_kernel,
    read_ratio,
    read_scales,
    read_stride,
    read_task,
    read_upsample,
    read_width,
)

ARCH_SCHEMA = "evit-nas/arch-1"


def arch_from_yaml(text: str, source: str) -> tuple[ArchConfig, Resolution | None]:
    """The architecture in `text`, and its resolution where it has one.

    Raises InputError (`source:line: key: what, what would be valid`) for anything else.
    """
    document = parse_document(text, source)
    root = Node(document, document.root)
    fields = root.fields(("schema", "head_dim", "stem", "stages", "head"), ("task", "resolution", "upsample", "eps"))
    fields["schema"].one_of((ARCH_SCHEMA,))
    stages = [_read_stage(node) for node in fields["stages"].items("a list of four stages")]
    if len(stages) != 4:
        raise fields["stages"].error(f"has {len(stages)} stages; a network has 4")
    seg = fields.read("task", read_task, "seg") == "seg"
    arch = ArchConfig(
        stem=_read_stem(fields["stem"]),
        stages=(stages[0], stages[1], stages[2], stages[3]),
        head=_read_seg_head(fields["head"]) if seg else _read_cls_head(fields["head"]),
        head_dim=read_head_dim(fields["head_dim"]),
        upsample=fields.read("upsample", read_upsample, "bilinear"),
        eps=fields.read("eps", read_eps, 1e-6),
    )
    return arch, fields.read("resolution", Node.resolution, None)


def read_arch(path: str | Path) -> tuple[ArchConfig, Resolution | None]:
    """`arch_from_yaml` of a file."""
    return arch_from_yaml(read_text(Path(path)), str(path))


def arch_to_yaml(arch: ArchConfig, resolution: Resolution | None = None) -> str:
    """Text from which `arch_from_yaml` gives the same values back."""
    document: dict[str, Any] = {"schema": ARCH_SCHEMA, "task": arch.task}
    if resolution is not None:
        height, width = check_resolution(resolution)
        document["resolution"] = f"{height}x{width}"
    document |= {"head_dim": arch.head_dim, "upsample": arch.upsample, "eps": arch.eps}
    document["stem"] = _flow(arch.stem, "width", "depth", "activation")
    document["stages"] = [_write_stage(stage) for stage in arch.stages]
    if isinstance(arch.head, SegHead):
        document["head"] = _flow(arch.head, *(field.name for field in dataclasses.fields(SegHead)))
    else:
        document["head"] = _flow(arch.head, *(field.name for field in dataclasses.fields(ClsHead)))
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=110)


def _read_mbconv(fields: Fields) -> MBConvConfig:
    return MBConvConfig(expand=fields.read("expand", read_expand, 4), kernel=fields.read("kernel", read_kernel, 3))


def _read_down(node: Node) -> MBConvConfig:
    return _read_mbconv(node.fields((), ("expand", "kernel")))


def _read_msa(node: Node) -> MsaConfig | None:
    """An attention: a mapping, `true` for the official one, `false` or nothing for none."""
    if node.value is None or isinstance(node.value, bool):
        return MsaConfig() if node.value else None
    fields = node.fields((), ("scales", "heads_ratio"))
    scales, ratio = fields.read("scales", read_scales, (5,)), fields.read("heads_ratio", read_ratio, 1.0)
    return MsaConfig(scales=scales, heads_ratio=ratio)


def _read_block(node: Node) -> BlockConfig:
    fields = node.fields((), ("expand", "kernel", "msa"))
    return BlockConfig(mbconv=_read_mbconv(fields), msa=fields.read("msa", _read_msa, None))


def _read_blocks(node: Node) -> tuple[BlockConfig, ...]:
    nodes = node.items("a list of blocks")
    if len(nodes) > MAX_BLOCKS:
        raise node.error(f"has {len(nodes)} blocks; at most {MAX_BLOCKS}")
    return tuple(_read_block(block) for block in nodes)


def _read_stage(node: Node) -> StageConfig:
    fields = node.fields(("width",), ("down", "blocks", "activation"))
    return StageConfig(
        width=read_width(fields["width"]),
        down=fields.read("down", _read_down, MBConvConfig()),
        blocks=fields.read("blocks", _read_blocks, ()),
        activation=fields.read("activation", read_activation, "hswish"),
    )


def _read_stem(node: Node) -> StemConfig:
    fields = node.fields(("width",), ("depth", "activation"))
    return StemConfig(
        width=read_width(fields["width"]),
        depth=fields.read("depth", read_depth, 1),
        activation=fields.read("activation", read_activation, "hswish"),
    )


def _read_seg_head(node: Node) -> SegHead:
    optional = ("depth", "stride", "inputs", "block", "expand", "kernel", "final_expand", "activation")
    fields = node.fields(("classes", "width"), optional)
    default: Literal[8, 16] = 8
    stride, inputs = fields.read("stride", read_stride, default), fields.read("inputs", read_inputs, (4, 3, 2))
    if not legal_output(stride, inputs):
        raise node.error(f"stride {stride} with inputs {list(inputs)}; stride 16 takes inputs [4, 3]")
    return SegHead(
        classes=read_classes(fields["classes"]),
        width=read_width(fields["width"]),
        depth=fields.read("depth", read_depth, 1),
        stride=stride,
        inputs=inputs,
        block=fields.read("block", read_head_block, "mbconv"),
        expand=fields.read("expand", read_expand, 4),
        kernel=fields.read("kernel", read_kernel, 3),
        final_expand=fields.read("final_expand", read_final_expand, 4),
        activation=fields.read("activation", read_activation, "hswish"),
    )


def _read_cls_head(node: Node) -> ClsHead:
    fields = node.fields(("classes", "widths"), ("activation",))
    return ClsHead(
        classes=read_classes(fields["classes"]),
        widths=read_head_widths(fields["widths"]),
        activation=fields.read("activation", read_activation, "hswish"),
    )


class _Flow(dict[str, Any]):
    """A mapping that is written on one line, in braces."""


class _Dumper(yaml.SafeDumper):
    """Writes repeated values out instead of as aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_flow(dumper: yaml.SafeDumper, data: _Flow) -> yaml.Node:
    return dumper.represent_mapping("tag:yaml.org,2002:map", data.items(), flow_style=True)


_Dumper.add_representer(_Flow, _represent_flow)


def _flow(config: StemConfig | MBConvConfig | MsaConfig | SegHead | ClsHead, *keys: str) -> _Flow:
    values = {key: getattr(config, key) for key in keys}
    return _Flow({key: list(value) if isinstance(value, tuple) else value for key, value in values.items()})


def _write_stage(stage: StageConfig) -> dict[str, Any]:
    blocks = []
    for block in stage.blocks:
        written = _flow(block.mbconv, "expand", "kernel")
        if block.msa is not None:
            written["msa"] = _flow(block.msa, "scales", "heads_ratio")
        blocks.append(written)
    return {
        "width": stage.width,
        "activation": stage.activation,
        "down": _flow(stage.down, "expand", "kernel"),
        "blocks": blocks,
    }
