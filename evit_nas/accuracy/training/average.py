"""The moving average of a network's weights and statistics."""

from __future__ import annotations

import torch
from torch import nn


class Average:
    """Floating-point tensors of `network`, averaged; counters are taken as they are."""

    def __init__(self, network: nn.Module) -> None:
        self.state = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, decay: float) -> None:
        """average = decay * average + (1 - decay) * network."""
        mine, theirs = [], []
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                mine.append(self.state[name])
                theirs.append(tensor)
            else:
                self.state[name].copy_(tensor)
        torch._foreach_lerp_(mine, theirs, 1.0 - decay)
