"""AdamW whose weight decay spares what it would only harm: normalisations and biases."""

from __future__ import annotations

import re

import torch
from torch import nn

_STAGE = re.compile(r"\bbackbone[./](?:input_stem|stages[./](\d))[./]")


def adamw(network: nn.Module, learning_rate: float, weight_decay: float, layer_decay: float = 1.0) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019): matrices and kernels decay, vectors do not.

    Each stage below the head learns at `layer_decay` times the rate of the one above it (Bao et al. 2022, BEiT).
    """
    groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            depth = stages_below_head(name) if layer_decay != 1.0 else 0
            groups.setdefault((depth, parameter.ndim <= 1), []).append(parameter)
    options = [
        {"params": groups[key], "weight_decay": 0.0 if key[1] else weight_decay, "scale": layer_decay ** key[0]}
        for key in sorted(groups)
    ]
    return torch.optim.AdamW(options, lr=learning_rate, fused=True)


def stages_below_head(name: str) -> int:
    """0 for the head, 1 for stage 4, ..., 4 for stage 1, 5 for the stem. `name`: of a parameter, or stored name."""
    found = _STAGE.search(name)
    if found is None:
        return 0
    return 5 if found[1] is None else 4 - int(found[1])


def set_learning_rate(optimiser: torch.optim.Optimizer, value: float) -> None:
    """`value` is that of the head."""
    for group in optimiser.param_groups:
        group["lr"] = value * group["scale"]


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
