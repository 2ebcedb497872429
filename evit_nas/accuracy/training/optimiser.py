"""AdamW whose weight decay spares what it would only harm: normalisations and biases."""

from __future__ import annotations

import torch
from torch import nn


def adamw(network: nn.Module, learning_rate: float, weight_decay: float) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019) over two groups: matrices and kernels decay, vectors do not."""
    decayed = [p for p in network.parameters() if p.requires_grad and p.ndim > 1]
    spared = [p for p in network.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": spared, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=learning_rate, fused=True)


def set_learning_rate(optimiser: torch.optim.Optimizer, value: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = value


def moments(network: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """The state of the optimiser by `parameter/what`."""
    found = {}
    for name, parameter in network.named_parameters():
        for what, value in optimiser.state.get(parameter, {}).items():
            found[f"{name}/{what}"] = value
    return found


def set_moments(network: nn.Module, optimiser: torch.optim.Optimizer, values: dict[str, torch.Tensor]) -> None:
    """Put back what `moments` gave."""
    parameters = dict(network.named_parameters())
    for key, value in values.items():
        name, _, what = key.rpartition("/")
        like = torch.empty_like(value if what == "step" else parameters[name])  # moments lie in memory as weights do
        optimiser.state[parameters[name]][what] = like.copy_(value)
