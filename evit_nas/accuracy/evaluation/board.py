"""TensorBoard beside a training: its scalars, and what the network makes of a few images of val."""

from __future__ import annotations

import colorsys
from pathlib import Path

import torch

from evit_nas.accuracy.data.dataset import Dataset
from evit_nas.accuracy.evaluation.base import Model
from evit_nas.accuracy.evaluation.protocol import segment
from evit_nas.accuracy.training.state import EpochRow
from evit_nas.errors import InputError
from evit_nas.space.arch import Resolution

_IMAGES = 4
_TURN = 0.618034  # of the hue from one class to the next (golden ratio): neighbours differ most


class Board:
    """Writes event files into `folder`. Raises InputError where the package tensorboard is not installed."""

    def __init__(self, folder: Path, dataset: Dataset, resolution: Resolution) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise InputError(
                "--tensorboard: the package tensorboard is not installed; pip install 'evit-nas[tensorboard]'"
            ) from None
        self._writer = SummaryWriter(str(folder))
        self._dataset, self._resolution, self._step = dataset, resolution, 0
        self._waiting: list[torch.Tensor] = []

    def epoch(self, row: EpochRow) -> None:
        """Loss, learning rate and, where it was taken, the score on val, at the step that the epoch ended with."""
        self._step = row.step
        values = {"loss": row.loss, "learning_rate": row.learning_rate, f"val/{self._dataset.metric}": row.score}
        for name, value in values.items():
            if value is not None:
                self._writer.add_scalar(name, value, row.step)
        self._show()

    def predictions(self, model: Model) -> None:
        """The first images of val under the classes of the label (left) and those that `model` gives (right); they are
        written with the scalars of the epoch at hand. Nothing where images have one class each."""
        if self._dataset.task == "cls":
            return
        examples, colours = self._dataset.split("val"), class_colours(len(self._dataset.classes))
        self._waiting = []
        for index in range(min(_IMAGES, len(examples))):
            example = examples.read(index)
            height, width = example.label.shape
            size = self._dataset.input_size((height, width), self._resolution)
            ids = segment(model, example.image, size, (height, width))
            both = [overlay(example.image, shown, colours) for shown in (example.label, ids)]
            self._waiting.append(torch.cat(both, dim=2))

    def close(self) -> None:
        self._show()
        self._writer.close()

    def _show(self) -> None:
        for index, image in enumerate(self._waiting):
            self._writer.add_image(f"val/{index}", image, self._step)
        self._waiting = []
        self._writer.flush()


def class_colours(classes: int) -> torch.Tensor:
    """A colour for each class, uint8 [K, 3]."""
    colours = [colorsys.hsv_to_rgb(_TURN * number % 1.0, 0.75, 0.95) for number in range(classes)]
    return (torch.tensor(colours) * 255).to(torch.uint8)


def overlay(image: torch.Tensor, ids: torch.Tensor, colours: torch.Tensor) -> torch.Tensor:
    """Half image (uint8 [3, h, w]), half colour of the class (ids [H, W]), uint8 [3, H, W]; ignored pixels plain."""
    shown = torch.nn.functional.interpolate(image[None].float(), size=ids.shape, mode="bilinear")[0]
    known = ids.long() < len(colours)
    painted = colours[ids.long().clamp(max=len(colours) - 1)].permute(2, 0, 1).float()
    return torch.where(known, 0.5 * shown + 0.5 * painted, shown).round().to(torch.uint8)
