"""The torch network against an independent statement of the family, and its tensors against the published layout."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import pytest
import torch

from evit_nas.errors import InputError
from evit_nas.model.efficientvit import build, randomise
from evit_nas.model.upstream import upstream_module
from evit_nas.space.arch import (
    ArchConfig,
    BlockConfig,
    ClsHead,
    MBConvConfig,
    MsaConfig,
    SegHead,
    StageConfig,
    StemConfig,
    named_arch,
)

# published facts, section 6 and 5: parameters in total, in the backbone, tensors in the state_dict
FAMILY = {
    "b0": (706_691, 682_608, 230),
    "b1": (4_803_443, 4_643_936, 341),
    "b2": (15_323_779, 14_977_008, 434),
    "b3": (39_603_155, 38_997_440, 583),
    "b1-ade20k": (4_791_414, 4_643_936, 335),
    "b2-ade20k": (15_293_382, 14_977_008, 428),
    "b3-ade20k": (39_546_198, 38_997_440, 577),
    "b0-cls": (3_410_008, 682_608, 197),
    "b1-cls": (9_102_024, 4_643_936, 272),
    "b2-cls": (24_330_712, 14_977_008, 365),
    "b3-cls": (48_646_056, 38_997_440, 514),
}
DEPTHS = {"b0": (1, 2, 2, 2, 2), "b1": (1, 2, 3, 3, 4), "b2": (1, 3, 4, 4, 6), "b3": (1, 4, 6, 6, 9)}
HEAD_DEPTH = {"b0": 1, "b1": 3, "b2": 3, "b3": 3}


def relative_error(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    assert ours.shape == theirs.shape
    return float((ours - theirs).abs().max() / theirs.abs().max())


def image(height: int, width: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", FAMILY)
def test_parameters_and_tensors_are_the_published_ones(name: str) -> None:
    with torch.device("meta"):
        network = build(named_arch(name))
    total, backbone, tensors = FAMILY[name]
    assert sum(p.numel() for p in network.parameters()) == total
    assert sum(p.numel() for p in network.backbone.parameters()) == backbone
    assert len(network.state_dict()) == tensors


@pytest.mark.parametrize("name", FAMILY)
def test_tensor_names_follow_the_official_rule(name: str, statement: ModuleType) -> None:
    base, _, data = name.partition("-")
    head_depth = None if data == "cls" else HEAD_DEPTH[base]
    with torch.device("meta"):
        names = set(build(named_arch(name)).state_dict())
    assert names == statement.official_keys(DEPTHS[base], head_depth=head_depth, final_expand=data != "ade20k")


def test_shapes_of_one_attention_follow_the_official_layout() -> None:
    state = build(named_arch("b1")).state_dict()
    prefix = "backbone.stages.2.op_list.1.context_module.main"
    shapes = {name.removeprefix(prefix + "."): tuple(state[name].shape) for name in state if name.startswith(prefix)}
    assert shapes["qkv.conv.weight"] == (384, 128, 1, 1)
    assert shapes["aggreg.0.0.weight"] == (384, 1, 5, 5)
    assert shapes["aggreg.0.1.weight"] == (384, 16, 1, 1)
    assert shapes["proj.conv.weight"] == (128, 256, 1, 1)


# 32x64 leaves 1x2 tokens in stage 4 and 2x4 in stage 3 (quadratic path); 96x160 has 15 and 60; 160x256 is linear
@pytest.mark.parametrize("upsample", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [(32, 64), (96, 160), (160, 256)])
@pytest.mark.parametrize("name", ["b0", "b1-ade20k"])
def test_segmentation_equals_the_statement(
    name: str, size: tuple[int, int], upsample: str, statement: ModuleType
) -> None:
    network = build(replace(named_arch(name), upsample=upsample))
    randomise(network, seed=3)
    with torch.no_grad():
        ours = network(image(*size))
        theirs = statement.segmentation(network.state_dict(), image(*size), dim=16, upsample=upsample)
    assert ours.shape[2:] == (size[0] // 8, size[1] // 8)
    assert relative_error(ours, theirs) < 1e-5


@pytest.mark.parametrize("size", [(64, 64), (224, 224)])
@pytest.mark.parametrize("name", ["b0-cls", "b2-cls"])
def test_classification_equals_the_statement(name: str, size: tuple[int, int], statement: ModuleType) -> None:
    arch = named_arch(name)
    network = build(arch)
    randomise(network, seed=4)
    with torch.no_grad():
        theirs = statement.classification(network.state_dict(), image(*size), dim=arch.head_dim)
        assert relative_error(network(image(*size)), theirs) < 1e-5


def unusual_arch() -> ArchConfig:
    """Members that the family never had: attention in stage 2, no, one and two scales, odd ratios, all activations."""
    two = BlockConfig(mbconv=MBConvConfig(expand=3, kernel=5), msa=MsaConfig(scales=(3, 5), heads_ratio=0.5))
    none = BlockConfig(msa=MsaConfig(scales=(), heads_ratio=1.5))
    three = BlockConfig(mbconv=MBConvConfig(kernel=7), msa=MsaConfig(scales=(3,)))
    return ArchConfig(
        stem=StemConfig(width=16, depth=2, activation="relu"),
        stages=(
            StageConfig(width=24, down=MBConvConfig(expand=6, kernel=5), activation="relu6"),
            StageConfig(width=32, blocks=(two, BlockConfig()), activation="relu"),
            StageConfig(width=48, blocks=(BlockConfig(), none, three)),
            StageConfig(width=80, blocks=(two,), activation="relu6"),
        ),
        head=SegHead(classes=7, width=40, depth=2, inputs=(4, 3), stride=16, block="fmbconv", expand=2, final_expand=2),
        head_dim=16,
    )


@pytest.mark.parametrize("size", [(64, 96), (128, 160)])
@pytest.mark.parametrize(
    "head",
    [
        {},
        {"stride": 8},
        {"depth": 0, "final_expand": None},
        {"stride": 8, "inputs": (4, 3, 2), "block": "mbconv", "kernel": 5, "activation": "relu"},
    ],
    ids=str,
)
def test_architectures_outside_the_family_equal_the_statement(
    head: dict[str, object], size: tuple[int, int], statement: ModuleType
) -> None:
    arch = unusual_arch()
    arch = replace(arch, head=replace(arch.head, **head))
    network = build(arch)
    randomise(network, seed=5)
    acts = (arch.stem.activation, *(stage.activation for stage in arch.stages), arch.head.activation)
    with torch.no_grad():
        theirs = statement.segmentation(
            network.state_dict(),
            image(*size),
            dim=16,
            eps=arch.eps,
            upsample="bilinear",
            acts=acts,
            inputs=arch.head.inputs,
            stride=arch.head.stride,
        )
        assert relative_error(network(image(*size)), theirs) < 1e-5


def test_no_attention_at_all_and_a_small_classifier(statement: ModuleType) -> None:
    stages = tuple(StageConfig(width=8 * n, blocks=(BlockConfig(),), activation="relu") for n in (1, 2, 3, 4))
    arch = ArchConfig(
        stem=StemConfig(width=8, depth=0, activation="relu"),
        stages=(stages[0], stages[1], stages[2], stages[3]),
        head=ClsHead(classes=3, widths=(16, 24), activation="relu"),
        head_dim=8,
    )
    network = build(arch)
    randomise(network, seed=6)
    with torch.no_grad():
        theirs = statement.classification(network.state_dict(), image(64, 64), dim=8, acts=("relu",) * 6)
        assert relative_error(network(image(64, 64)), theirs) < 1e-5


@pytest.mark.parametrize("size", [(64, 64), (128, 256)])
def test_the_upstream_order_shares_weights_and_output(size: tuple[int, int]) -> None:
    arch = named_arch("b0", upsample="bicubic")
    network, upstream = build(arch), upstream_module(arch)
    randomise(network, seed=7)
    upstream.load_state_dict(network.state_dict(), strict=True)
    upstream.eval()
    with torch.no_grad():
        assert relative_error(network(image(*size)), upstream(image(*size))) < 1e-5


def test_the_attention_path_changes_with_the_resolution_not_the_weights() -> None:
    """16 tokens is the last quadratic size at d = 16: both forms agree there, and neither is the other by name."""
    from evit_nas.model.lite_mla import linear_attention, quadratic_attention

    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.rand(2, 3, 16, 16, generator=generator) for _ in range(3))
    assert relative_error(linear_attention(q, k, v, 1e-6), quadratic_attention(q, k, v, 1e-6)) < 1e-5


def test_a_silent_head_gives_zero_not_nan() -> None:
    from evit_nas.model.lite_mla import linear_attention, quadratic_attention

    q, k, v = torch.zeros(1, 1, 4, 9), torch.rand(1, 1, 4, 9), torch.rand(1, 1, 4, 9)
    for attend in (linear_attention, quadratic_attention):
        assert torch.equal(attend(q, k, v, 1e-15), torch.zeros(1, 1, 4, 9))


def test_attention_stays_in_float32_under_autocast() -> None:
    network = build(named_arch("b0")).eval()
    seen = []
    module = network.backbone.stages[2].op_list[1].context_module.main
    module.linear = lambda q, k, v, eps: seen.append(q.dtype) or v
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        network(image(128, 128))
    assert seen == [torch.float32]


def test_a_head_that_cannot_read_a_stage_is_refused() -> None:
    arch = named_arch("b0")
    with pytest.raises(InputError, match="stride 16 cannot read stage 2"):
        build(replace(arch, head=replace(arch.head, stride=16)))


def test_a_fresh_network_is_ready_to_train() -> None:
    torch.manual_seed(0)
    network = build(named_arch("b0"))
    out = network(torch.randn(2, 3, 128, 256))
    assert 1e-3 < out.std() < 1.0  # the first loss is that of equal classes
    out.square().mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


def test_randomise_is_reproducible_and_neutral_nowhere() -> None:
    one, two = build(named_arch("b0")), build(named_arch("b0"))
    randomise(one, seed=1)
    randomise(two, seed=1)
    state = one.state_dict()
    assert all(
        torch.equal(tensor, other) for tensor, other in zip(state.values(), two.state_dict().values(), strict=True)
    )
    assert all(tensor.std() > 0.05 for name, tensor in state.items() if ".norm." in name and tensor.ndim == 1)
