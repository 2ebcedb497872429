"""A search space from YAML. The keys are explained in search_spaces/README.md."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from evit_nas.errors import InputError
from evit_nas.space.arch import NAMED_ARCHS, ArchConfig, ClsHead, Resolution, SegHead, check_resolution, named_arch
from evit_nas.space.dimension import Choice, Dimension, SpaceSpec
from evit_nas.space.document import parse_document
from evit_nas.space.node import Fields, Node
from evit_nas.space.ranges import (
    MAX_BLOCKS,
    MAX_EXPAND,
    MAX_HEAD_DIM,
    MAX_WIDTH,
    legal_output,
    read_activation,
    read_classes,
    read_final_expand,
    read_head_block,
    read_head_widths,
    read_inputs,
    read_kernel,
    read_ratio,
    read_scales,
    read_stride,
    read_task,
    read_upsample,
)

SPACE_SCHEMA = "evit-nas/space-1"
ATTENTION_STAGES = (2, 3, 4)  # stages in which a space may place attention
_OFFICIAL_SIZES = {"seg": ((1024, 2048), (512, 512)), "cls": ((224, 224), (256, 256), (288, 288))}

C = TypeVar("C", bound=Choice)


def space_from_yaml(text: str, source: str) -> SpaceSpec:
    """The space in `text`. Raises InputError (`source:line: key: what, what would be valid`) for anything else."""
    document = parse_document(text, source)
    root = Node(document, document.root)
    fields = root.fields(
        ("schema", "task", "classes", "resolution", "head_dim", "stem", "stages", "head"),
        ("name", "members", "upsample"),
    )
    fields["schema"].one_of((SPACE_SCHEMA,))
    task = read_task(fields["task"])
    names = tuple(name for name in NAMED_ARCHS if named_arch(name).task == task)
    members = fields.read("members", lambda node: node.choices(lambda item: item.one_of(names)), ())
    build = _Builder([named_arch(name) for name in members or names])
    build.resolution(read_resolutions(fields["resolution"]), task)
    build.add("head_dim", "head_dim", read_head_dims(fields["head_dim"]), {arch.head_dim for arch in build.archs})
    build.stem(fields["stem"])
    aligned = build.stages(fields["stages"])
    if task == "seg":
        build.upsample(fields)
        build.seg_head(fields["head"])
    else:
        build.cls_head(fields["head"])
    spec = SpaceSpec(
        name=fields.read("name", Node.text, Path(source).stem),
        task=task,
        classes=read_classes(fields["classes"]),
        members=members,
        dimensions=tuple(build.dimensions),
        aligned=aligned,
    )
    _check_alignment(spec, fields["stages"])
    return spec


def read_head_dims(node: Node) -> tuple[int, ...]:
    return node.integers(8, MAX_HEAD_DIM, multiple=8)


def read_widths(node: Node) -> tuple[int, ...]:
    return node.integers(8, MAX_WIDTH, multiple=8)


def read_expands(node: Node) -> tuple[int, ...]:
    return node.integers(1, MAX_EXPAND)


def read_resolutions(node: Node) -> tuple[Resolution, ...]:
    """Input sizes: a list of `HEIGHTxWIDTH`, or `{short_side, aspect}` with aspect `height:width`."""
    if not isinstance(node.value, dict):
        return node.choices(Node.resolution)
    fields = node.fields(("short_side", "aspect"))
    sides = fields["short_side"].integers(32, 8192, multiple=32)
    parts = fields["aspect"].text().split(":")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() and 1 <= int(part) <= 64 for part in parts):
        raise fields["aspect"].wrong("height:width such as 1:2")
    height, width = int(parts[0]), int(parts[1])
    short = min(height, width)
    try:
        if any(side * max(height, width) % short for side in sides):
            raise InputError("a long side is no integer")
        return tuple(check_resolution((side * height // short, side * width // short)) for side in sides)
    except InputError as error:
        raise node.error(f"{error} (aspect {height}:{width})") from None


class _Builder:
    """Collects dimensions in column order."""

    def __init__(self, archs: list[ArchConfig]) -> None:
        self.archs = archs  # whose values are the official ones
        self.dimensions: list[Dimension] = []

    def add(self, name: str, group: str, choices: tuple[Choice, ...], official: Iterable[Choice]) -> None:
        wanted = set(official)
        indices = tuple(i for i, choice in enumerate(choices) if choice in wanted)
        self.dimensions.append(Dimension(name=name, group=group, choices=choices, official=indices))

    def resolution(self, choices: tuple[Resolution, ...], task: str) -> None:
        """The sizes with published rows are official; where the space has none of them, the nearest one in pixels."""
        official = [size for size in _OFFICIAL_SIZES[task] if size in choices]
        if not official:
            pixels = [height * width for height, width in _OFFICIAL_SIZES[task]]
            official = [min(choices, key=lambda size: min(abs(size[0] * size[1] - count) for count in pixels))]
        self.add("resolution", "resolution", choices, official)

    def upsample(self, fields: Fields) -> None:
        """Bilinear is the official export's way, and so the official choice where the space has both."""
        choices = fields.read("upsample", lambda node: node.choices(read_upsample), ("bilinear",))
        self.add("upsample", "upsample", choices, ["bilinear"] if "bilinear" in choices else choices)

    def stem(self, node: Node) -> None:
        fields = node.fields(("width",), ("depth", "activation"))
        self.add("stem.width", "width", read_widths(fields["width"]), {arch.stem.width for arch in self.archs})
        depths = fields.read("depth", lambda item: item.integers(0, MAX_BLOCKS), (1,))
        self.add("stem.depth", "depth", depths, {arch.stem.depth for arch in self.archs})
        self.activation("stem", fields)

    def activation(self, part: str, fields: Fields) -> None:
        choices = fields.read("activation", lambda node: node.choices(read_activation), ("hswish",))
        self.add(f"{part}.activation", "activation", choices, ("hswish",))

    def stages(self, node: Node) -> tuple[int, ...]:
        """Add stages 1 to 4; the numbers of those in which attention may stand."""
        nodes = node.items("a list of four stages")
        if len(nodes) != 4:
            raise node.error(f"has {len(nodes)} stages; a network has 4")
        return tuple(number for number, item in enumerate(nodes, start=1) if self.stage(number, item))

    def stage(self, number: int, node: Node) -> bool:
        """Add one stage; whether attention may stand in it."""
        block_keys = ("expand", "kernel", *(("msa", "scales", "heads_ratio") if number in ATTENTION_STAGES else ()))
        fields = node.fields(("width", "depth"), ("activation", "down", "blocks", *block_keys))
        official_depths = {official_depth(arch, number) for arch in self.archs}
        lowest = 1 if number <= 2 else 0
        depths = fields["depth"].integers(lowest, MAX_BLOCKS)
        name = f"stage{number}"
        widths = {arch.stages[number - 1].width for arch in self.archs}
        self.add(f"{name}.width", "width", read_widths(fields["width"]), widths)
        self.add(f"{name}.depth", "depth", depths, official_depths)
        self.activation(name, fields)
        down = fields.read("down", lambda item: item.fields((), ("expand", "kernel")), Fields())
        self.mbconv(f"{name}.down", Fields(fields | down))
        blocks = block_count(number, max(depths))
        own = fields.read("blocks", lambda item: item.fields((), tuple(map(str, range(1, blocks + 1)))), Fields())
        attention = False
        for i in range(1, blocks + 1):
            merged = Fields(fields | own.read(str(i), lambda item: item.fields((), block_keys), Fields()))
            self.mbconv(f"{name}.block{i}", merged)
            if number in ATTENTION_STAGES:
                attention |= self.attention(f"{name}.block{i}", merged, official=number >= 3)
        return attention

    def mbconv(self, part: str, fields: Fields) -> None:
        self.add(f"{part}.expand", "expand", fields.read("expand", read_expands, (4,)), (4,))
        self.add(f"{part}.kernel", "kernel", fields.read("kernel", lambda node: node.choices(read_kernel), (3,)), (3,))

    def attention(self, part: str, fields: Fields, *, official: bool) -> bool:
        """Add a block's attention; whether it may be present."""
        placed = fields.read("msa", lambda node: node.choices(Node.boolean), (official,))
        self.add(f"{part}.msa", "msa", placed, (official,))
        scales = fields.read("scales", lambda node: node.choices(read_scales), ((5,),))
        self.add(f"{part}.scales", "scales", scales, ((5,),))
        ratios = fields.read("heads_ratio", lambda node: node.choices(read_ratio), (1.0,))
        self.add(f"{part}.heads_ratio", "heads_ratio", ratios, (1.0,))
        return True in placed

    def seg_head(self, node: Node) -> None:
        keys = ("stride", "inputs", "block", "expand", "kernel", "final_expand", "activation")
        fields = node.fields(("width", "depth"), keys)
        heads = [arch.head for arch in self.archs if isinstance(arch.head, SegHead)]
        self.add("head.width", "head", read_widths(fields["width"]), {head.width for head in heads})
        self.add("head.depth", "head", fields["depth"].integers(0, MAX_BLOCKS), {head.depth for head in heads})
        strides = fields.read("stride", lambda item: item.choices(read_stride), (8,))
        inputs = fields.read("inputs", lambda item: item.choices(read_inputs), ((4, 3, 2),))
        for stride in strides:
            if not any(legal_output(stride, option) for option in inputs):
                raise node.error(f"stride {stride} needs the choice [4, 3] among inputs")
        for option in inputs:
            if not any(legal_output(stride, option) for stride in strides):
                raise node.error(f"inputs {list(option)} need the choice 8 among strides")
        self.add("head.stride", "head", strides, (8,))
        self.add("head.inputs", "head", inputs, ((4, 3, 2),))
        blocks = fields.read("block", lambda item: item.choices(read_head_block), ("mbconv",))
        self.add("head.block", "head", blocks, ("mbconv",))
        self.add("head.expand", "head", fields.read("expand", read_expands, (4,)), (4,))
        self.add("head.kernel", "kernel", fields.read("kernel", lambda item: item.choices(read_kernel), (3,)), (3,))
        finals = fields.read("final_expand", lambda item: item.choices(read_final_expand), (4,))
        self.add("head.final_expand", "head", finals, {head.final_expand for head in heads})
        self.activation("head", fields)

    def cls_head(self, node: Node) -> None:
        fields = node.fields(("widths",), ("activation",))
        widths = fields["widths"].choices(read_head_widths)
        official = {arch.head.widths for arch in self.archs if isinstance(arch.head, ClsHead)}
        self.add("head.widths", "head", widths, official)
        self.activation("head", fields)


def block_count(stage: int, depth: int) -> int:
    """Blocks after the stride-2 one at an official depth: stages 1 and 2 count that one too."""
    return depth - 1 if stage <= 2 else depth


def official_depth(arch: ArchConfig, stage: int) -> int:
    """The inverse of `block_count`."""
    return len(arch.stages[stage - 1].blocks) + (1 if stage <= 2 else 0)


def _check_alignment(spec: SpaceSpec, stages: Node) -> None:
    """Where attention may stand, every width needs a head dim that divides it, and every head dim such a width."""
    choices = {dimension.name: dimension.choices for dimension in spec.dimensions}
    dims = [dim for dim in choices["head_dim"] if isinstance(dim, int)]
    nodes = stages.items()
    for number in spec.aligned:
        widths = [width for width in choices[f"stage{number}.width"] if isinstance(width, int)]
        for width in widths:
            if not any(width % dim == 0 for dim in dims):
                raise nodes[number - 1].error(f"width {width} is a multiple of no head_dim ({_listed(dims)})")
        for dim in dims:
            if not any(width % dim == 0 for width in widths):
                raise nodes[number - 1].error(f"no width is a multiple of head_dim {dim}")


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))
