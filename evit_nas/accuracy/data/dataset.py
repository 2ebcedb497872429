"""What a data set is: classes and splits of examples.

Shapes: images uint8 [3, H, W] (RGB); labels uint8 [H, W] with class ids and IGNORE, or int64 [] with the class of the
whole image. H and W may differ by example.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch

from evit_nas.accuracy.metric import METRICS, Metric, Task
from evit_nas.errors import InputError, nearest
from evit_nas.space.arch import Resolution

IGNORE = 255  # of a label: the pixel counts neither in training nor in evaluation


@dataclass(frozen=True, kw_only=True, eq=False)
class Example:
    """An image and its label, decoded. `image` lies in channels-last order."""

    name: str
    image: torch.Tensor
    label: torch.Tensor


class Split(Protocol):
    """Examples by index; the same index gives the same example every time."""

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """What messages call the example: its image file, or its number."""
        ...

    def label(self, index: int) -> torch.Tensor:
        """The label alone, without the cost of decoding the image. Raises InputError."""
        ...

    def read(self, index: int) -> Example:
        """Raises InputError where a file cannot be read or does not fit its partner."""
        ...


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A data set. `short_side`: images keep their ratio in evaluation (ADE20K) instead of filling the input."""

    name: str
    classes: tuple[str, ...]
    splits: Mapping[str, Split]
    short_side: bool = False
    task: Task = "seg"

    @property
    def metric(self) -> Metric:
        """What networks are judged by."""
        return METRICS[self.task]

    def split(self, name: str) -> Split:
        """Raises InputError where there is none of that name."""
        if name not in self.splits:
            raise InputError(f"data set {self.name}: no split {name!r} with labels; {nearest(name, self.splits)}")
        return self.splits[name]

    def input_size(self, image: Resolution, resolution: Resolution) -> Resolution:
        """The size that an image is evaluated at (facts of the official family, section 9).

        `resolution` itself, or its short side for data sets that keep the ratio: the other side follows, rounded up
        to a multiple of 32.
        """
        if not self.short_side:
            return resolution
        short, low = min(resolution), min(image)
        height, width = (short if side == low else -(-side * short // low // 32) * 32 for side in image)
        return height, width
