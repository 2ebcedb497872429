"""BatchNorm statistics estimated anew: those gathered in training belong to weights that have moved since."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn


@torch.no_grad()
def re_estimate(
    network: nn.Module,
    images: Iterable[torch.Tensor],
    hold: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> None:
    """Set every BatchNorm to the plain mean of the batches' statistics. `images`: normalised [B, 3, H, W].

    Weights stay; the network is left in evaluation mode. `hold` is entered for each batch alone.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d | nn.SyncBatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative mean
    network.train()
    for batch in images:
        with hold():
            network(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()
