"""A second classifier beside the head while a network is trained; it is not part of the result."""

from __future__ import annotations

import torch
from torch import nn

from evit_nas.accuracy.training.loss import Loss
from evit_nas.model.efficientvit import EfficientViT, initialise

_STAGE = 3  # stride 16, as PSPNet has it


class WithAuxiliary(nn.Module):
    """`network` and a classifier of its stage 3 (Zhao et al. 2017, PSPNet, section 3.3)."""

    def __init__(self, network: EfficientViT) -> None:
        super().__init__()
        width, classes = network.arch.stages[_STAGE - 1].width, network.arch.head.classes
        self.network = network
        self.auxiliary = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.Hardswish(),
            nn.Conv2d(width, classes, 1),
        )
        initialise(self.auxiliary)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """[B, 3, H, W] -> logits of the head and of the classifier, [B, K, H / 16, W / 16]."""
        features = self.network.backbone(images)
        return self.network.head(features), self.auxiliary(features[_STAGE])


def auxiliary_loss(loss: Loss, weight: float) -> Loss:
    """`loss` of the head plus `weight` times that of the second classifier, for what `WithAuxiliary` gives."""

    def both(outputs: tuple[torch.Tensor, torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
        logits, auxiliary = outputs
        return loss(logits, labels) + weight * loss(auxiliary, labels)

    return both


def bare(network: nn.Module) -> nn.Module:
    """The network without its second classifier."""
    return network.network if isinstance(network, WithAuxiliary) else network
