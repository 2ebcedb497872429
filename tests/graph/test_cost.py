"""Parameters and MACs against the official family: figures computed by running the official code."""

from __future__ import annotations

import numpy as np
import pytest

from evit_nas.graph.blocks import Msa, layout
from evit_nas.graph.cost import (
    arch_macs,
    arch_params,
    block_macs,
    block_params,
    peak_activation_bytes,
    signature_macs,
)
from evit_nas.graph.kernel import KernelSignature, TensorType
from evit_nas.graph.opgraph import Op, OpGraph, Tensor
from evit_nas.space.arch import named_arch

PARAMS = {
    "b0-cls": 3410008, "b1-cls": 9102024, "b2-cls": 24330712, "b3-cls": 48646056,
    "b0": 706691, "b1": 4803443, "b2": 15323779, "b3": 39603155,
    "b1-ade20k": 4791414, "b2-ade20k": 15293382, "b3-ade20k": 39546198,
}  # fmt: skip
PARTS = {  # stem, stages 1-4, segmentation head
    "b0": (400, 4128, 13888, 142208, 521984, 24083),
    "b1": (928, 13888, 86528, 756864, 3785728, 159507),
    "b2": (1584, 50304, 267072, 2200320, 12457728, 346771),
    "b3": (2368, 122752, 742656, 5650944, 32478720, 605715),
}
HEAD_PARTS = {  # inputs s4 + s3 + s2, middle, out
    "b0": (4160 + 2112 + 1088, 9920, 6803),
    "b1": (16512 + 8320 + 4224, 108672, 21779),
    "b2": (37056 + 18624 + 9408, 236736, 44947),
    "b3": (65792 + 33024 + 16640, 413952, 76307),
}
MACS_G = [  # name, input, convolutions and linear layers, attention matmuls, at the printed digits
    ("b0-cls", (224, 224), ".0977", ".0026"), ("b0-cls", (256, 256), ".1268", ".0033"),
    ("b0-cls", (288, 288), ".1598", ".0042"), ("b1-cls", (224, 224), ".5107", ".0085"),
    ("b1-cls", (256, 256), ".6658", ".0111"), ("b1-cls", (288, 288), ".8415", ".0141"),
    ("b2-cls", (224, 224), "1.5502", ".0348"), ("b2-cls", (256, 256), "2.0221", ".0454"),
    ("b2-cls", (288, 288), "2.5570", ".0575"), ("b3-cls", (224, 224), "3.8843", ".0695"),
    ("b3-cls", (256, 256), "5.0708", ".0908"), ("b3-cls", (288, 288), "6.4154", ".1150"),
    ("b0", (960, 1920), "3.7657", ".0940"), ("b0", (1024, 2048), "4.2845", ".1070"),
    ("b1", (896, 1792), "18.9481", ".2730"), ("b1", (1024, 2048), "24.7485", ".3565"),
    ("b2", (1024, 2048), "72.1882", "1.4533"), ("b3", (1024, 2048), "176.3212", "2.9067"),
    ("b1-ade20k", (480, 480), "2.6770", ".0392"), ("b1-ade20k", (512, 512), "3.0459", ".0446"),
    ("b2-ade20k", (416, 416), "5.8765", ".1199"), ("b2-ade20k", (512, 512), "8.9016", ".1817"),
    ("b3-ade20k", (512, 512), "21.8105", ".3633"),
]  # fmt: skip
PUBLISHED_G = [  # name, input, total as printed in the official tables
    ("b1-cls", (224, 224), ".52"), ("b1-cls", (256, 256), ".68"), ("b1-cls", (288, 288), ".86"),
    ("b2-cls", (224, 224), "1.6"), ("b2-cls", (256, 256), "2.1"), ("b2-cls", (288, 288), "2.6"),
    ("b3-cls", (224, 224), "4.0"), ("b3-cls", (256, 256), "5.2"), ("b3-cls", (288, 288), "6.5"),
    ("b0", (960, 1920), "3.9"), ("b0", (1024, 2048), "4.4"), ("b1", (896, 1792), "19"), ("b1", (1024, 2048), "25"),
    ("b2", (1024, 2048), "74"), ("b3", (1024, 2048), "179"), ("b3", (1184, 2368), "240"),
    ("b1-ade20k", (480, 480), "2.7"), ("b1-ade20k", (512, 512), "3.1"), ("b2-ade20k", (416, 416), "6.0"),
    ("b2-ade20k", (512, 512), "9.1"), ("b3-ade20k", (512, 512), "22"),
]  # fmt: skip


def printed(value: float, like: str) -> str:
    """`value` with as many decimals as `like`."""
    decimals = len(like.partition(".")[2])
    return f"{value:.{decimals}f}".removeprefix("0" if like.startswith(".") else "")


@pytest.mark.parametrize(("name", "params"), PARAMS.items())
def test_parameters_equal_the_official_count(name: str, params: int) -> None:
    assert arch_params(named_arch(name)) == params


@pytest.mark.parametrize("name", PARTS)
def test_parameters_by_part(name: str) -> None:
    placed = layout(named_arch(name), (64, 64))
    stages = ("stem", "stage1", "stage2", "stage3", "stage4", "head")
    assert tuple(sum(block_params(p.block) for p in placed if p.stage == s) for s in stages) == PARTS[name]
    *inputs, add, out = [
        sum(block_params(p.block) for p in placed if p.path.startswith(prefix))
        for prefix in ("head.input_ops.", "head.middle.", "head.add", "head.output_ops.")
    ]
    assert (*inputs, out) == HEAD_PARTS[name]
    assert add == 0


@pytest.mark.parametrize(("name", "size", "conv", "matmul"), MACS_G)
def test_macs_at_every_printed_digit(name: str, size: tuple[int, int], conv: str, matmul: str) -> None:
    arch = named_arch(name)
    msas = [p.block for p in layout(arch, size) if isinstance(p.block, Msa)]
    attention = sum(
        2 * m.heads * (1 + len(m.scales)) * (m.head_dim + 1) * m.head_dim * m.height * m.width for m in msas
    )
    assert printed(attention / 1e9, matmul) == matmul
    assert printed((arch_macs(arch, size) - attention) / 1e9, conv) == conv


@pytest.mark.parametrize(("name", "size", "total"), PUBLISHED_G)
def test_macs_equal_the_published_totals(name: str, size: tuple[int, int], total: str) -> None:
    assert printed(arch_macs(named_arch(name), size) / 1e9, total) == total


def test_quadratic_attention_keeps_the_linear_count() -> None:
    small, large = (Msa(side, side, 64, 4, 16, (5,), 1e-6) for side in (4, 8))
    assert small.quadratic
    assert not large.quadratic
    assert block_macs(large) == 4 * block_macs(small)


@pytest.mark.parametrize(
    ("kind", "inputs", "output", "macs"),
    [
        ("CONV_2D", [(1, 8, 8, 4), (6, 3, 3, 4), (6,)], (1, 8, 8, 6), 64 * 6 * 36),
        ("CONV_2D", [(1, 8, 8, 4), (4, 1, 1, 2), (4,)], (1, 8, 8, 4), 64 * 4 * 2),
        ("DEPTHWISE_CONV_2D", [(1, 8, 8, 4), (1, 5, 5, 4), (4,)], (1, 4, 4, 4), 64 * 25),
        ("FULLY_CONNECTED", [(1, 10), (7, 10), (7,)], (1, 7), 70),
        ("BATCH_MATMUL", [(3, 5, 6), (3, 6, 2)], (3, 5, 2), 180),
        ("HARD_SWISH", [(1, 8, 8, 4)], (1, 8, 8, 4), 0),
    ],
)
def test_signature_macs(kind: str, inputs: list[tuple[int, ...]], output: tuple[int, ...], macs: int) -> None:
    assert signature_macs(KernelSignature(kind, tuple(map(TensorType, inputs)), (TensorType(output),))) == macs


def test_peak_activation_bytes_follows_liveness() -> None:
    sizes = {"x": 10, "a": 40, "b": 40, "c": 10, "y": 10}
    tensors = {name: Tensor(name, (size,)) for name, size in sizes.items()}
    tensors["w"] = Tensor("w", (1000,), data=np.zeros(1000, np.float32))
    ops = (
        Op("RELU", ("x",), ("a",)),
        Op("MUL", ("a", "w"), ("b",)),
        Op("MUL", ("b", "w"), ("c",)),
        Op("ADD", ("c", "x"), ("y",)),
    )
    assert peak_activation_bytes(OpGraph(tensors, ops, ("x",), ("y",))) == 4 * (10 + 40 + 40)
