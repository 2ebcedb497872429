"""A network starts from the weights of another one, whatever the shapes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from evit_nas.accuracy.supernet.checkpoint import About, save_supernet, space_text, with_classes
from evit_nas.accuracy.supernet.inherit import inherit, read_source
from evit_nas.accuracy.supernet.overlay import Laid
from evit_nas.accuracy.supernet.supernet import Supernet, extract
from evit_nas.errors import CheckpointError
from evit_nas.model.checkpoint import save_checkpoint
from evit_nas.model.description import Description
from evit_nas.model.efficientvit import EfficientViT, build, randomise
from evit_nas.space.arch import ArchConfig, BlockConfig, MBConvConfig, MsaConfig, named_arch
from evit_nas.space.space import load_space

SMALL = "efficientvit-seg-small"


def official(name: str, folder: Path) -> tuple[EfficientViT, Path]:
    """Random weights in a file of the official layout, which does not say what it is."""
    network = build(named_arch(name))
    randomise(network, 1)
    path = folder / f"{name}.pt"
    torch.save({"state_dict": network.state_dict()}, path)
    return network, path


def started(arch: ArchConfig, path: Path) -> tuple[EfficientViT, dict[str, Laid]]:
    torch.manual_seed(0)
    network = build(arch)
    return network, {line.tensor: line for line in inherit(network, read_source(path))}


def test_an_equal_shape_is_a_plain_load(tmp_path: Path) -> None:
    source, path = official("b0", tmp_path)
    network, lines = started(named_arch("b0"), path)
    assert {line.taken for line in lines.values()} == {"whole"}
    expected = source.state_dict()
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


def test_official_b3_fits_into_b0(tmp_path: Path) -> None:
    """Channels are filters of the source, in their order and the same ones wherever they are read."""
    source, path = official("b3", tmp_path)
    network, lines = started(named_arch("b0"), path)
    assert {line.taken for line in lines.values()} == {"part", "whole"}  # the classifier's bias is whole
    stem = "backbone/input_stem/op_list/0/conv/weight"
    assert (lines[stem].shape, lines[stem].source_shape) == ((8, 3, 3, 3), (32, 3, 3, 3))
    large, small = source.backbone.input_stem.op_list, network.backbone.input_stem.op_list
    places = [int((large[0].conv.weight == row).flatten(1).all(1).nonzero()) for row in small[0].conv.weight]
    assert places == sorted(places)
    assert len(set(places)) == 8
    assert torch.equal(small[0].norm.running_var, large[0].norm.running_var[places])
    point = large[1].main.point_conv.conv.weight
    assert torch.equal(small[1].main.point_conv.conv.weight, point[places][:, places])
    qkv = lines["backbone/stages/2/op_list/1/context_module/main/qkv/conv/weight"]
    assert (qkv.shape, qkv.source_shape) == ((192, 64, 1, 1), (768, 256, 1, 1))
    assert torch.isfinite(network.eval()(torch.randn(1, 3, 64, 64))).all()


def test_heads_of_another_size_give_their_leading_channels(tmp_path: Path) -> None:
    source, path = official("b2", tmp_path)
    arch = replace(named_arch("b2"), head_dim=16)  # stage 3: 12 heads of 16 instead of 6 of 32
    network, _ = started(arch, path)
    old = source.backbone.stages[2].op_list[1].context_module.main
    new = network.backbone.stages[2].op_list[1].context_module.main
    heads = new.qkv.conv.weight.unflatten(0, (12, 3, 16))
    assert torch.equal(heads[:6], old.qkv.conv.weight.unflatten(0, (6, 3, 32))[:, :, :16])
    columns = new.proj.conv.weight.unflatten(1, (2, 12, 16))
    assert torch.equal(columns[:, :, :6], old.proj.conv.weight.unflatten(1, (2, 6, 32))[:, :, :, :16])
    assert not columns[:, :, 6:].any()


@torch.no_grad()
def test_a_larger_network_starts_as_the_smaller_one(tmp_path: Path) -> None:
    """Wider, deeper, with larger kernels, more expansion and another branch: the same function at the start."""
    source, path = official("b0", tmp_path)
    arch = named_arch("b1")
    block = BlockConfig(mbconv=MBConvConfig(expand=6, kernel=5), msa=MsaConfig(scales=(3, 5)))
    third = replace(arch.stages[2], blocks=(block,) * 4)
    arch = replace(arch, stages=(*arch.stages[:2], third, arch.stages[3]))
    network, lines = started(arch, path)
    assert lines["backbone/stages/2/op_list/3/main/depth_conv/conv/weight"].taken == "new"
    image = torch.randn(1, 3, 64, 96)
    torch.testing.assert_close(network.eval()(image), source(image), rtol=0, atol=1e-4)


def test_other_classes_and_a_backbone_without_a_head_start_anew(tmp_path: Path) -> None:
    arch = named_arch("b0")
    _, path = official("b0", tmp_path)
    _, lines = started(replace(arch, head=replace(arch.head, classes=7)), path)
    new = {name for name, line in lines.items() if line.taken == "new"}
    assert new == {f"head/output/expanded/1/conv/{what}" for what in ("weight", "bias")}
    _, path = official("b0-cls", tmp_path)
    _, lines = started(arch, path)
    assert all((line.taken == "new") == name.startswith("head/") for name, line in lines.items())


def test_a_member_of_a_supernet_is_extracted(tmp_path: Path) -> None:
    torch.manual_seed(0)
    space, path = load_space(SMALL), tmp_path / "supernet.safetensors"
    supernet, names = Supernet(space), tuple(str(number) for number in range(space.spec.classes))
    save_supernet(path, supernet, About(space_text=space_text(SMALL), class_names=names, resolution=(64, 64)))
    arch = space.member("b1")
    network, lines = started(arch, path)
    expected = extract(supernet, arch)
    weights = dict(network.named_parameters())
    assert all(torch.equal(weights[name], expected[name]) for name in weights)
    assert {line.taken for name, line in lines.items() if name.endswith("/running_mean")} == {"new"}


@torch.no_grad()
def test_official_weights_start_a_supernet(tmp_path: Path) -> None:
    """B1 is a member of the space and computes the same inside; B2, which is none, gives what fits."""
    network, path = official("b1", tmp_path)
    space = with_classes(load_space(SMALL), 19)
    supernet = Supernet(space)
    taken = {line.taken for line in inherit(supernet, read_source(path))}
    assert taken == {"whole", "part", "new"}
    image = torch.randn(2, 3, 64, 64)
    expected = network.train()(image)
    torch.testing.assert_close(supernet(image, space.member("b1")), expected, rtol=0, atol=1e-4)
    _, path = official("b2", tmp_path)
    inherit(supernet, read_source(path))
    assert torch.isfinite(supernet(image, space.member("b1"))).all()


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    torch.save({"layer.weight": torch.zeros(3, 3)}, path)
    with pytest.raises(CheckpointError, match=r"other\.pt: no output layer in the official layout"):
        read_source(path)
    torch.save({"head.op_list.3.linear.bias": torch.zeros(10), "stem.weight": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match="neither describes itself nor has the tensors of an official network"):
        read_source(path)


def test_a_file_of_this_tool_says_what_it_is(tmp_path: Path) -> None:
    arch = replace(
        named_arch("b0"), stages=(*named_arch("b0").stages[:3], replace(named_arch("b0").stages[3], width=96))
    )
    network = build(arch)
    path = tmp_path / "own.safetensors"
    save_checkpoint(path, network, Description(arch=arch))
    again, lines = started(arch, path)
    assert {line.taken for line in lines.values()} == {"whole"}
    assert torch.equal(again.head.input_ops[0].op_list[0].conv.weight, network.head.input_ops[0].op_list[0].conv.weight)
