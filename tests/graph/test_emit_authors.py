"""The authors' lowering against the operator lists recorded from the official exporter."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from evit_nas.graph.blocks import Msa
from evit_nas.graph.emit import emit, emit_block
from evit_nas.graph.lowering import AUTHORS
from evit_nas.graph.opgraph import OpGraph
from evit_nas.space.arch import Resolution, named_arch

RECORDED = Path(__file__).parents[2] / "../shared/data/phones/sm8450_oplists/ops.csv"
TRACED_SMALLER = {(1184, 2368): (608, 1216)}  # recorded at half the size, with bytes and MACs scaled afterwards
NETWORKS = [
    "B0_seg-cityscapes_960x1920", "B1_cls_224x224", "B1_cls_256x256", "B1_cls_288x288", "B1_seg-ade20k_480x480",
    "B1_seg-cityscapes_896x1792", "B2_cls_224x224", "B2_cls_256x256", "B2_cls_288x288", "B2_seg-ade20k_416x416",
    "B2_seg-cityscapes_1024x2048", "B3_cls_224x224", "B3_cls_256x256", "B3_cls_288x288", "B3_seg-ade20k_384x384",
    "B3_seg-ade20k_512x512", "B3_seg-cityscapes_1184x2368",
]  # fmt: skip
# by `golden` below: operators by kind, bytes of activations read, written, and of constants read
GOLDEN = {
    "B0_seg-cityscapes_960x1920": (
        {
            "ADD": 18,
            "BATCH_MATMUL": 8,
            "CONCATENATION": 4,
            "CONV_2D": 41,
            "DEPTHWISE_CONV_2D": 16,
            "DIV": 4,
            "HARD_SWISH": 25,
            "PAD": 5,
            "PADV2": 4,
            "RELU": 8,
            "RESHAPE": 8,
            "RESIZE_BILINEAR": 2,
            "SLICE": 20,
            "TRANSPOSE": 20,
        },
        1430083632,
        1269379632,
        2833340,
    ),
    "B2_cls_224x224": (
        {
            "ADD": 38,
            "BATCH_MATMUL": 20,
            "CONCATENATION": 10,
            "CONV_2D": 71,
            "DEPTHWISE_CONV_2D": 30,
            "DIV": 10,
            "FULLY_CONNECTED": 2,
            "HARD_SWISH": 42,
            "MEAN": 3,
            "MUL": 2,
            "PAD": 5,
            "PADV2": 10,
            "RELU": 20,
            "RESHAPE": 21,
            "RSQRT": 1,
            "SLICE": 50,
            "SQUARED_DIFFERENCE": 1,
            "SUB": 1,
            "TRANSPOSE": 50,
        },
        188552324,
        164536032,
        97393900,
    ),
}


def network(name: str) -> OpGraph:
    base, task, size = name.split("_")
    height, width = map(int, size.split("x"))
    arch = base.lower() + {"cls": "-cls", "seg-cityscapes": "", "seg-ade20k": "-ade20k"}[task]
    resolution: Resolution = TRACED_SMALLER.get((height, width), (height, width))
    return emit(named_arch(arch), resolution, AUTHORS)


def operators(graph: OpGraph) -> list[tuple[str, str, str]]:
    """(kind, shapes of all inputs, shape of the output) as the recorded lists spell them."""

    def spell(name: str) -> str:
        return "x".join(map(str, graph.tensors[name].shape))

    return [(op.kind, ";".join(map(spell, op.inputs)), spell(op.outputs[0])) for op in graph.ops]


def golden(graph: OpGraph) -> tuple[dict[str, int], int, int, int]:
    reads = [graph.tensors[name] for op in graph.ops for name in op.inputs]
    return (
        dict(sorted(Counter(op.kind for op in graph.ops).items())),
        sum(t.size_bytes for t in reads if not t.constant),
        sum(graph.tensors[name].size_bytes for op in graph.ops for name in op.outputs),
        sum(t.size_bytes for t in reads if t.constant),
    )


@pytest.fixture(scope="module")
def recorded() -> dict[str, list[dict[str, str]]]:
    if not RECORDED.exists():
        pytest.skip("the recorded operator lists are not beside this checkout")
    networks: dict[str, list[dict[str, str]]] = {}
    with RECORDED.open(newline="") as file:
        for row in csv.DictReader(file):
            networks.setdefault(row["model"], []).append(row)
    return networks


@pytest.mark.parametrize("name", NETWORKS)
def test_operators_kinds_shapes_and_order_equal_the_recorded_list(
    name: str, recorded: dict[str, list[dict[str, str]]]
) -> None:
    rows = recorded[f"EfficientViT-{name}"]
    mine = operators(network(name))
    assert len(mine) == len(rows)
    for mine_op, row in zip(mine, rows, strict=True):
        assert mine_op == (row["op"], row["in_shapes"].split("|")[0], row["out_shape"]), row["order"]


@pytest.mark.parametrize("name", [n for n in NETWORKS if "1184" not in n])
def test_strides_fused_activations_and_bytes_equal_the_recorded_list(
    name: str, recorded: dict[str, list[dict[str, str]]]
) -> None:
    graph = network(name)
    for op, row in zip(graph.ops, recorded[f"EfficientViT-{name}"], strict=True):
        constants = sum(graph.tensors[n].size_bytes for n in op.inputs if graph.tensors[n].constant)
        assert constants == int(row["weight_bytes"]), row["order"]
        assert graph.tensors[op.outputs[0]].size_bytes == int(row["out_bytes"])
        assert op.attr("fused_activation", "NONE") == "NONE"
        if row["stride"]:
            assert op.attr("stride_h") == op.attr("stride_w") == int(row["stride"])


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str) -> None:
    assert golden(network(name)) == GOLDEN[name]


def test_linear_form_whatever_the_size() -> None:
    block = Msa(2, 2, 32, 2, 16, (5,), 1e-15)
    assert block.quadratic
    kinds = [op.kind for op in emit_block(block, AUTHORS).ops]
    assert kinds.count("PADV2") == 1


if __name__ == "__main__":  # prints the golden
    for wanted in ("B0_seg-cityscapes_960x1920", "B2_cls_224x224"):
        print(f"    {wanted!r}: {golden(network(wanted))!r},")
