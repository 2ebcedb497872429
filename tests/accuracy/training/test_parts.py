"""The small parts of the engine: optimiser, moving average, statistics."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from evit_nas.accuracy.training.auxiliary import WithAuxiliary, auxiliary_loss, bare
from evit_nas.accuracy.training.average import Average
from evit_nas.accuracy.training.loss import pixel_loss
from evit_nas.accuracy.training.optimiser import adamw, moments, set_learning_rate, set_moments, stages_below_head
from evit_nas.accuracy.training.statistics import re_estimate


def test_norms_and_biases_do_not_decay(tiny) -> None:
    network = tiny()
    decayed, spared = adamw(network, 0.1, 0.05).param_groups
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.05, 0.0)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    assert all(names[id(p)].endswith(".weight") and ".norm." not in names[id(p)] for p in decayed["params"])
    assert all(names[id(p)].endswith(".bias") or ".norm." in names[id(p)] for p in spared["params"])
    assert len(decayed["params"]) + len(spared["params"]) == len(names)


def test_each_stage_learns_more_slowly_than_the_one_above(tiny) -> None:
    network = tiny()
    optimiser = adamw(network, 0.1, 0.05, layer_decay=0.5)
    set_learning_rate(optimiser, 0.2)
    rates = {id(p): group["lr"] for group in optimiser.param_groups for p in group["params"]}
    assert len(rates) == sum(1 for _ in network.parameters())
    for name, parameter in network.named_parameters():
        place = name.split(".")
        stages = {"head": 0, "input_stem": 5, "stages": 4}[place[0] if place[0] == "head" else place[1]]
        stages -= int(place[2]) if place[1] == "stages" else 0
        assert rates[id(parameter)] == 0.2 * 0.5**stages
    assert optimiser.param_groups[0]["lr"] == 0.2  # what the history tells
    assert stages_below_head("stored.backbone/stages/3/op_list/0/main/point_conv/conv/weight") == 1
    assert stages_below_head("network.backbone.input_stem.op_list.0.conv.weight") == 5


def test_a_second_classifier_adds_to_the_loss_and_teaches_the_backbone(tiny) -> None:
    network = tiny()
    both = WithAuxiliary(network)
    assert bare(both) is network
    assert bare(network) is network
    outputs = both(torch.randn(2, 3, 64, 64))
    assert [tuple(logits.shape[1:]) for logits in outputs] == [(7, 8, 8), (7, 4, 4)]
    labels = torch.randint(0, 7, (2, 64, 64)).to(torch.uint8)
    loss = auxiliary_loss(pixel_loss(), 0.4)(outputs, labels)
    main, second = (pixel_loss()(logits, labels) for logits in outputs)
    assert loss.item() == pytest.approx(main.item() + 0.4 * second.item())
    second.backward()
    assert network.backbone.stages[2].op_list[0].main.point_conv.conv.weight.grad.abs().sum() > 0
    assert network.head.input_ops[0].op_list[0].conv.weight.grad is None


def test_moments_survive_the_way_through_plain_tensors() -> None:
    layers = [nn.Linear(3, 2), nn.Linear(3, 2)]
    layers[1].load_state_dict(layers[0].state_dict())
    optimisers = [adamw(layer, 0.1, 0.05) for layer in layers]
    images = torch.randn(4, 3)

    def step(index: int, rate: float) -> None:
        set_learning_rate(optimisers[index], rate)
        optimisers[index].zero_grad()
        layers[index](images).square().sum().backward()
        optimisers[index].step()

    step(0, 0.1)
    layers[1].load_state_dict(layers[0].state_dict())
    set_moments(layers[1], optimisers[1], moments(layers[0], optimisers[0]))
    for index in (0, 1):
        step(index, 0.01)
    assert torch.equal(layers[0].weight, layers[1].weight)


def test_the_average_moves_by_its_decay() -> None:
    layer = nn.BatchNorm2d(2)
    average = Average(layer)
    with torch.no_grad():
        layer.weight.fill_(3.0)
        layer.num_batches_tracked.fill_(7)
    average.update(layer, 0.75)
    assert average.state["weight"].tolist() == [1.5, 1.5]
    assert int(average.state["num_batches_tracked"]) == 7
    assert layer.weight.tolist() == [3.0, 3.0]


def test_statistics_become_those_of_the_images() -> None:
    norm = nn.Sequential(nn.BatchNorm2d(3))
    norm[0].running_mean.fill_(9.0)
    images = [torch.randn(4, 3, 8, 8) * 2 + 1 for _ in range(3)]
    re_estimate(norm, images)
    assert torch.allclose(norm[0].running_mean, torch.cat(images).mean((0, 2, 3)), atol=1e-5)
    means = torch.stack([batch.var((0, 2, 3)) for batch in images]).mean(0)
    assert torch.allclose(norm[0].running_var, means, atol=1e-5)
    assert not norm.training
    assert norm[0].momentum == 0.1
