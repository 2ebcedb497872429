"""More than one view of each image: several sizes, mirrored, by windows. None of it is part of the official protocol.

Probabilities of all views are averaged at the label's size. Shapes: images uint8 [3, h, w], logits [1, K, H, W].
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.nn import functional

from evit_nas.accuracy.data.batches import normalise
from evit_nas.accuracy.evaluation.base import Model
from evit_nas.accuracy.evaluation.protocol import resize, segment
from evit_nas.errors import InputError
from evit_nas.space.arch import Resolution, resolution_text

_STRIDE = 2 / 3  # of a window, from one to the next
_LOWEST, _HIGHEST = 0.1, 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Views:
    """`scales`: factors of the input size. `flip`: each view mirrored as well. `sliding`: windows of the input size
    over the image at its own size (times the scales), instead of the image resized to the input."""

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    sliding: bool = False

    def __call__(self, model: Model, image: torch.Tensor, size: Resolution, label_size: Resolution) -> torch.Tensor:
        """Class ids [H, W] as `segment` gives them, from all views."""
        if self == Views():
            return segment(model, image, size, label_size)
        return _segment(self, model, image, size, label_size)


def check_views(views: Views, model: Model) -> None:
    """Raise InputError where `model` cannot show them."""
    if views != Views() and model.task == "cls":
        raise InputError("--scales, --flip, --sliding-window: views of a network that segments; leave them out")
    if not views.scales or any(not _LOWEST <= scale <= _HIGHEST for scale in views.scales):
        raise InputError(f"--scales {list(views.scales)}: factors from {_LOWEST:g} to {_HIGHEST:g} are valid")
    if model.fixed is not None and not views.sliding and any(scale != 1.0 for scale in views.scales):
        own = resolution_text(model.fixed)
        raise InputError(f"--scales: the file takes {own} only; add --sliding-window, or leave them out")


@torch.inference_mode()
def _segment(views: Views, model: Model, image: torch.Tensor, size: Resolution, label_size: Resolution) -> torch.Tensor:
    total = torch.zeros(())
    for scale in views.scales:
        for mirrored in (False, True) if views.flip else (False,):
            shown = image.flip(-1) if mirrored else image
            logits = _windows(model, shown, size, scale) if views.sliding else _whole(model, shown, size, scale)
            logits = functional.interpolate(logits, size=label_size, mode=model.upsample, align_corners=False)
            probabilities = logits[0].softmax(0).cpu()
            total = total + (probabilities.flip(-1) if mirrored else probabilities)
    return total.argmax(0)


def _whole(model: Model, image: torch.Tensor, size: Resolution, scale: float) -> torch.Tensor:
    height, width = (max(32, round(side * scale / 32) * 32) for side in size)
    return _logits(model, resize(image, (height, width)))


def _windows(model: Model, image: torch.Tensor, size: Resolution, scale: float) -> torch.Tensor:
    """The mean of the windows' logits at the scaled image's size; an image smaller than a window is enlarged to it."""
    least = max(want / have for want, have in zip(size, image.shape[1:], strict=True))
    factor = max(scale, least)
    height, width = (max(want, round(have * factor)) for want, have in zip(size, image.shape[1:], strict=True))
    scaled = resize(image, (height, width))
    total = torch.zeros(1, model.classes, height, width)
    count = torch.zeros(height, width)
    for top in _starts(height, size[0]):
        for left in _starts(width, size[1]):
            rows, columns = slice(top, top + size[0]), slice(left, left + size[1])
            logits = _logits(model, scaled[:, rows, columns])
            logits = functional.interpolate(logits, size=size, mode=model.upsample, align_corners=False)
            total[:, :, rows, columns] += logits.cpu()
            count[rows, columns] += 1
    return total / count


def _starts(length: int, window: int) -> Iterator[int]:
    """First pixels of windows that cover `length`, equally far apart, at most `_STRIDE` of a window."""
    steps = math.ceil((length - window) / (window * _STRIDE))
    return (round(number * (length - window) / max(1, steps)) for number in range(steps + 1))


def _logits(model: Model, image: torch.Tensor) -> torch.Tensor:
    normalisation = model.normalisation
    output = model.run(normalise(image[None], normalisation.mean, normalisation.std))
    if not output.is_floating_point():
        raise InputError("the file answers in class ids: its views cannot be averaged; evaluate it without them")
    return output.float()
