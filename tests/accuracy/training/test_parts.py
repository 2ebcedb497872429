"""The small parts of the engine: optimiser, moving average, statistics."""

from __future__ import annotations

import torch
from torch import nn

from evit_nas.accuracy.training.average import Average
from evit_nas.accuracy.training.optimiser import adamw, moments, set_learning_rate, set_moments
from evit_nas.accuracy.training.statistics import re_estimate


def test_norms_and_biases_do_not_decay(tiny) -> None:
    network = tiny()
    decayed, spared = adamw(network, 0.1, 0.05).param_groups
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.05, 0.0)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    assert all(names[id(p)].endswith(".weight") and ".norm." not in names[id(p)] for p in decayed["params"])
    assert all(names[id(p)].endswith(".bias") or ".norm." in names[id(p)] for p in spared["params"])
    assert len(decayed["params"]) + len(spared["params"]) == len(names)


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
