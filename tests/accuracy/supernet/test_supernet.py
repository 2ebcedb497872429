from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from evit_nas.accuracy.supernet.inherit import inherit, source_of
from evit_nas.accuracy.supernet.supernet import Supernet, extract, fresh_statistics, member, run
from evit_nas.accuracy.training.statistics import re_estimate
from evit_nas.errors import InputError
from evit_nas.model.efficientvit import build, randomise
from evit_nas.space.arch import ArchConfig, SegHead
from evit_nas.space.space import load_space

SPACE = load_space("efficientvit-seg-small")
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def supernet() -> Supernet:
    """Random in all tensors: what starts at zero or one would hide an error."""
    torch.manual_seed(0)
    made = Supernet(SPACE)
    with torch.no_grad():
        for tensor in made.parameters():
            tensor.add_(torch.randn_like(tensor) * (0.2 if tensor.ndim == 1 else 0.02))
    return made


def extracted(supernet: Supernet, arch: ArchConfig) -> nn.Module:
    network = build(arch)
    network.load_state_dict(extract(supernet, arch), strict=True)
    return network.train()


def images(count: int, seed: int = 0, size: tuple[int, int] = (64, 96)) -> torch.Tensor:
    return torch.randn(count, 3, *size, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31))
@torch.no_grad()
def test_member_equals_its_extraction(supernet: Supernet, seed: int) -> None:
    arch = SPACE.sample(seed, 1)[0].arch
    x = images(2, seed)
    torch.testing.assert_close(supernet(x, arch), extracted(supernet, arch)(x), rtol=0, atol=TOLERANCE)


@pytest.mark.slow
@torch.no_grad()
def test_a_hundred_members_equal_their_extractions(supernet: Supernet) -> None:
    x = images(2)
    worst = max(
        float((supernet(x, item.arch) - extracted(supernet, item.arch)(x)).abs().max()) for item in SPACE.sample(1, 100)
    )
    assert worst <= TOLERANCE


@pytest.mark.parametrize("name", ["smallest", "largest", "b0", "b1"])
@torch.no_grad()
def test_named_members_equal_their_extractions(supernet: Supernet, name: str) -> None:
    arch = SPACE.member(name) if name.startswith("b") else getattr(SPACE, name)().arch
    x = images(2)
    torch.testing.assert_close(supernet(x, arch), extracted(supernet, arch)(x), rtol=0, atol=TOLERANCE)


@torch.no_grad()
def test_statistics_of_the_same_images_give_equal_outputs(supernet: Supernet) -> None:
    arch = SPACE.sample(3, 1)[0].arch
    batches = [images(4, seed) for seed in (1, 2)]
    network = member(supernet, arch, batches)
    statistics = dict(network.named_buffers())
    x = images(2, 9)
    torch.testing.assert_close(supernet(x, arch, statistics), network(x), rtol=0, atol=TOLERANCE)
    again = build(arch)
    again.load_state_dict(extract(supernet, arch, statistics), strict=True)
    torch.testing.assert_close(again.eval()(x), network(x), rtol=0, atol=0)


@torch.no_grad()
def test_order_of_members_changes_nothing(supernet: Supernet) -> None:
    first, second = SPACE.sample(4, 2)
    x = images(2)
    alone = supernet(x, first.arch)
    supernet(x, second.arch)
    assert torch.equal(supernet(x, first.arch), alone)
    assert not list(supernet.buffers())


def test_gradient_reaches_the_slices_alone(supernet: Supernet) -> None:
    arch = SPACE.smallest().arch
    supernet.zero_grad()
    supernet(images(2), arch).square().mean().backward()
    name = "backbone/stages/3/op_list/1/main/depth_conv/conv/weight"
    gradient = supernet.tensors[name].grad
    assert gradient is not None
    mid = arch.stages[3].width * arch.stages[3].blocks[0].mbconv.expand
    assert tuple(gradient.shape[2:]) == (7, 7)
    assert gradient[:mid, :, 2:5, 2:5].abs().min() > 0
    gradient[:mid, :, 2:5, 2:5] = 0
    assert not gradient.any()


def test_extracted_weights_are_the_documented_slices(supernet: Supernet) -> None:
    b0 = SPACE.member("b0")
    state, stored = extract(supernet, b0), supernet.tensors
    prefix, inside = (
        "backbone.stages.2.op_list.1.context_module.main",
        "backbone/stages/2/op_list/1/context_module/main",
    )
    assert torch.equal(state[f"{prefix}.qkv.conv.weight"], stored[f"{inside}/qkv/conv/weight"][:192, :64])
    assert torch.equal(state[f"{prefix}.aggreg.0.0.weight"], stored[f"{inside}/aggreg/scale5/0/weight"][:192])
    projection = state[f"{prefix}.proj.conv.weight"]
    assert torch.equal(projection[:, :64], stored[f"{inside}/proj/identity"][:64, :64])
    assert torch.equal(projection[:, 64:], stored[f"{inside}/proj/scale5"][:64, :64])
    local = stored["backbone/stages/2/op_list/1/main/depth_conv/conv/weight"]
    assert torch.equal(
        state["backbone.stages.2.op_list.1.local_module.main.depth_conv.conv.weight"], local[:256, :, 2:5, 2:5]
    )
    assert torch.equal(state["head.input_ops.2.conv.weight"], stored["head/inputs/stage2/conv/weight"][:32, :32])


@torch.no_grad()
def test_branches_beyond_the_official_ones_add_nothing_at_first() -> None:
    torch.manual_seed(0)
    fresh = Supernet(SPACE)
    b0 = SPACE.member("b0")
    msa = b0.stages[2].blocks[0].msa
    assert msa is not None
    both = replace(msa, scales=(3, 5))
    stage = b0.stages[2]
    wider = replace(stage, blocks=tuple(replace(block, msa=both) for block in stage.blocks))
    second = b0.stages[1]
    attending = replace(second, blocks=tuple(replace(block, msa=msa) for block in second.blocks))
    arch = replace(b0, stages=(b0.stages[0], attending, wider, b0.stages[3]))
    x = images(2)
    torch.testing.assert_close(fresh(x, arch), fresh(x, b0), rtol=0, atol=TOLERANCE)


@torch.no_grad()
def test_a_start_from_a_member_gives_it_back_and_larger_members_equal_it() -> None:
    torch.manual_seed(0)
    warm = Supernet(SPACE)
    b0 = SPACE.member("b0")
    network = build(b0)
    randomise(network, 1)
    inherit(warm, source_of(b0, network.state_dict()))
    x = images(2)
    expected = network.train()(x)
    torch.testing.assert_close(warm(x, b0), expected, rtol=0, atol=TOLERANCE)
    assert isinstance(b0.head, SegHead)
    head = replace(b0.head, width=64, expand=6, kernel=5, depth=3)
    larger = replace(SPACE.largest().arch, head=head, eps=b0.eps, upsample=b0.upsample)
    torch.testing.assert_close(warm(x, larger), expected, rtol=0, atol=1e-4)
    fused = replace(larger, head=replace(head, block="fmbconv"))
    assert torch.isfinite(warm(x, fused)).all()


@torch.no_grad()
def test_statistics_estimated_inside_equal_those_of_the_extraction(supernet: Supernet) -> None:
    arch = SPACE.member("b0")
    network = extracted(supernet, arch)
    re_estimate(network, [images(4)])
    fresh = fresh_statistics(arch, supernet)
    assert set(fresh) == {name for name, _ in network.named_buffers()}
    assert all(not buffer.any() for name, buffer in fresh.items() if name.endswith("running_mean"))
    inside = run(extract(supernet, arch), images(2), arch, dict(network.named_buffers()))
    torch.testing.assert_close(inside, network(images(2)), rtol=0, atol=TOLERANCE)


def test_a_space_with_two_head_dims_is_refused() -> None:
    with pytest.raises(
        InputError, match="head_dim 16 and head_dim 32; use efficientvit-seg-d16 or efficientvit-seg-d32"
    ):
        Supernet(load_space("efficientvit-seg"))


def test_what_is_no_member_is_refused(supernet: Supernet) -> None:
    b0 = SPACE.member("b0")
    wide = replace(b0, stages=(*b0.stages[:3], replace(b0.stages[3], width=512)))
    with pytest.raises(InputError, match="not a member of this supernet: "):
        supernet(images(1), wide)
    deep = replace(b0, stem=replace(b0.stem, depth=3))
    with pytest.raises(InputError, match=r"no weights for backbone\.input_stem"):
        supernet(images(1), deep)
