"""Emitted graphs: they answer as torch does, in one delegate partition, with strips bit-equal to the plain form."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evit_nas.graph.blocks import layout
from evit_nas.graph.emit import emit, emit_block, with_output
from evit_nas.graph.lowering import AUTHORS, OURS, Lowering, strip_schedule
from evit_nas.graph.opgraph import OpGraph
from evit_nas.model.efficientvit import build
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
    named_arch,
)
from evit_nas.tflite.runtime import Session
from evit_nas.tflite.weights import fill_random, materialize
from evit_nas.tflite.writer import write

TOLERANCE = 1e-4  # relative to the largest output


def odd_arch(head: SegHead | ClsHead) -> ArchConfig:
    """What the official family never has: other kernels, activations, scales, heads, attention in stage 2."""
    wide, five = MBConvConfig(expand=2, kernel=7), MBConvConfig(expand=3, kernel=5)
    return ArchConfig(
        stem=StemConfig(width=8, depth=2, activation="relu"),
        stages=(
            StageConfig(width=16, down=wide, blocks=(BlockConfig(mbconv=five),), activation="relu6"),
            StageConfig(width=24, down=five, blocks=(BlockConfig(msa=MsaConfig(scales=())),), activation="relu"),
            StageConfig(width=32, blocks=(BlockConfig(msa=MsaConfig(scales=(3, 5), heads_ratio=0.5)), BlockConfig())),
            StageConfig(width=48, down=wide, blocks=(BlockConfig(msa=MsaConfig(scales=(3,), heads_ratio=1.5)),)),
        ),
        head=head,
        head_dim=16,
        upsample="bicubic",
    )


FUSED_HEAD = SegHead(
    classes=5, width=16, depth=2, stride=16, inputs=(4, 3), block="fmbconv", expand=2, final_expand=None
)
ODD = {
    "fused head at stride 16": odd_arch(FUSED_HEAD),
    "two inputs at stride 8": odd_arch(SegHead(classes=5, width=16, depth=0, inputs=(4, 3), activation="relu6")),
    "relu classifier": odd_arch(ClsHead(classes=7, widths=(32, 24), activation="relu")),
}
BICUBIC_B0 = named_arch("b0", upsample="bicubic")
CASES: dict[str, tuple[ArchConfig, Resolution]] = {
    "b0 bilinear": (named_arch("b0"), (64, 96)),
    "b0 bicubic, quadratic": (BICUBIC_B0, (32, 32)),
    "b0 bicubic, high map": (BICUBIC_B0, (544, 32)),
    "b1-ade20k bicubic": (named_arch("b1-ade20k", upsample="bicubic"), (96, 64)),
    "b1-cls": (named_arch("b1-cls"), (160, 160)),
    "b2-cls, quadratic": (named_arch("b2-cls"), (64, 96)),
    **{f"{name}, {size[0]}": (arch, size) for name, arch in ODD.items() for size in ((32, 64), (160, 96))},
}


def seeded(arch: ArchConfig, resolution: Resolution) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """(state, NHWC image, NHWC output in float64) of the torch network with lively BatchNorm statistics."""
    torch.manual_seed(3)
    module = build(arch).eval()
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            assert part.running_mean is not None
            assert part.running_var is not None
            part.running_mean.normal_(0, 0.2)
            part.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(part.weight, 0.5, 1.5)
            torch.nn.init.normal_(part.bias, 0, 0.2)
    state = {name: tensor.numpy().copy() for name, tensor in module.state_dict().items()}
    image = torch.randn(1, 3, *resolution)
    with torch.no_grad():
        output = module.double()(image.double()).float()
    if output.ndim == 4:
        output = output.permute(0, 2, 3, 1)
    return state, np.ascontiguousarray(image.permute(0, 2, 3, 1).numpy()), output.numpy()


def run(graph: OpGraph, *inputs: np.ndarray) -> np.ndarray:
    with Session(write(graph)) as session:
        return session.run(list(inputs))[0]


@pytest.mark.parametrize("case", CASES)
def test_answers_as_torch_does(case: str) -> None:
    arch, resolution = CASES[case]
    state, image, expected = seeded(arch, resolution)
    strips = Lowering(schedule=strip_schedule(arch, resolution, strip_bytes=2e4, min_bytes=3e4))
    for lowering in (OURS, AUTHORS, strips):
        output = run(materialize(emit(arch, resolution, lowering), state), image)
        assert output.shape == expected.shape
        assert np.abs(output - expected).max() / np.abs(expected).max() <= TOLERANCE, lowering


@pytest.mark.parametrize(
    "case", ["b0 bicubic, high map", "b0 bicubic, quadratic", "fused head at stride 16, 160", "b1-cls"]
)
def test_one_delegate_partition_and_no_pad_of_its_own(case: str) -> None:
    arch, resolution = CASES[case]
    with Session(write(fill_random(emit(arch, resolution), 0)), profile=True) as session:
        events = session.profile(1)
    assert {event.kind for event in events} == {"delegate"}
    assert sum(event.index == 0 for event in events) == 1  # kernels are numbered anew in every partition
    assert not any("Pad" in event.name for event in events)


@pytest.mark.parametrize("lowering", [OURS, AUTHORS])
@pytest.mark.parametrize("case", ["b0 bilinear", "two inputs at stride 8, 160", "b1-cls"])
def test_weights_and_places_are_the_official_ones(case: str, lowering: Lowering) -> None:
    arch, resolution = CASES[case]
    graph = emit(arch, resolution, lowering)
    names = set(build(arch).state_dict())
    prefixes = {name[:end] for name in names for end in range(len(name) + 1) if end == len(name) or name[end] == "."}
    sources = {tensor.param.source for tensor in graph.tensors.values() if tensor.param}
    assert sources <= prefixes
    assert {(op.stage, op.block) for op in graph.ops} == {(p.stage, p.path) for p in layout(arch, resolution)}


@pytest.mark.parametrize("lowering", [OURS, AUTHORS])
def test_blocks_alone_sum_to_the_network(lowering: Lowering) -> None:
    arch, resolution = CASES["two inputs at stride 8, 160"]

    def lines(graph: OpGraph) -> list[tuple[object, ...]]:
        return [(op.kind, op.attrs, *(graph.tensors[n].shape for n in (*op.inputs, *op.outputs))) for op in graph.ops]

    parts = [line for item in layout(arch, resolution) for line in lines(emit_block(item.block, lowering))]
    assert parts == lines(emit(arch, resolution, lowering))


def test_outputs_resized_and_argmax() -> None:
    state, image, logits = seeded(*CASES["b0 bilinear"])
    graph = materialize(emit(*CASES["b0 bilinear"]), state)
    resized = torch.nn.functional.interpolate(
        torch.from_numpy(logits).permute(0, 3, 1, 2), size=(64, 96), mode="bilinear", align_corners=False
    ).permute(0, 2, 3, 1)
    output = run(with_output(graph, "resized"), image)
    assert np.abs(output - resized.numpy()).max() / np.abs(logits).max() <= TOLERANCE
    classes = run(with_output(graph, "argmax"), image)
    assert (classes.shape, classes.dtype) == ((1, 64, 96), np.int32)
    assert np.mean(classes == output.argmax(3)) == 1
    assert with_output(graph, "logits") is graph


def test_the_resolution_decides_the_attention_path() -> None:
    kinds = [[op.kind for op in emit(named_arch("b0"), (side, side)).ops] for side in (128, 160)]
    assert kinds[0].count("CONV_2D") == kinds[1].count("CONV_2D") + 2  # stage 4 at 4 x 4: quadratic, with a projection
