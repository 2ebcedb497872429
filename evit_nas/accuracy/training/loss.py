"""Cross-entropy: of every pixel at the labels' size, or of every image.

Shapes: logits [B, K, h, w], labels uint8 [B, H, W] with class ids and IGNORE; or logits [B, K], labels int64 [B].
K classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from evit_nas.accuracy.data.dataset import IGNORE, Split
from evit_nas.accuracy.data.labels import split_counts
from evit_nas.errors import InputError

Loss = Callable[[Any, torch.Tensor], torch.Tensor]  # of what a network gives, and labels


def pixel_loss(weights: torch.Tensor | None = None, label_smoothing: float = 0.0) -> Loss:
    """A function of (logits, labels): the mean over the labelled pixels, each weighted by its class.

    A batch without a labelled pixel costs 0: its mean does not exist, and its gradient is none.
    """

    def loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if bool((labels == IGNORE).all()):
            return logits.sum() * 0.0
        resized = functional.interpolate(logits.float(), size=labels.shape[1:], mode="bilinear", align_corners=False)
        return functional.cross_entropy(
            resized, labels.long(), weight=weights, ignore_index=IGNORE, label_smoothing=label_smoothing
        )

    return loss


def image_loss(weights: torch.Tensor | None = None, label_smoothing: float = 0.0) -> Loss:
    """A function of (logits, labels): the mean over the images, each weighted by its class."""

    def loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(logits.float(), labels, weight=weights, label_smoothing=label_smoothing)

    return loss


def class_weights(split: Split, classes: int, power: float) -> torch.Tensor:
    """(median / frequency) ** power of each class over the split, shape (classes,).

    The median is that of the classes that occur (Eigen and Fergus 2015). A class that never occurs weighs 1: no pixel
    asks for its weight. Raises InputError where no pixel has a label.
    """
    pixels = split_counts(split, classes)
    present = pixels > 0
    if not present.any():
        raise InputError("no pixel of train has a label; `evit-nas data check` names the files")
    ratio = np.ones(classes)
    ratio[present] = np.median(pixels[present]) / pixels[present]
    return torch.from_numpy(ratio**power).float()
