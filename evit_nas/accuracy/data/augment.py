"""Random views of an example. Image and label are cut, scaled and flipped by the same numbers, always together.

Shapes: images uint8 [3, H, W], labels uint8 [H, W]; views have the size that was asked for. A label of the whole image
has no axes and stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn import functional

from evit_nas.accuracy.data.dataset import IGNORE
from evit_nas.space.arch import Resolution

FILL = (124, 116, 104)  # the mean colour of ImageNet: zero after normalisation
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True, kw_only=True, slots=True)
class Augmentation:
    """Ranges to draw from. Scale 1 shows the whole image; 2 a quarter of it; 0.5 shows it at half size.

    `colour` bounds the relative change of brightness, contrast and saturation.
    """

    scale_min: float = 0.5
    scale_max: float = 2.0
    flip: bool = True
    colour: float = 0.2


NONE = Augmentation(scale_min=1.0, scale_max=1.0, flip=False, colour=0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """What is shown: `source` (top, left, height, width) of the example drawn at `target` (the same) of the view."""

    source: tuple[int, int, int, int]
    target: tuple[int, int, int, int]
    flip: bool = False
    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0


def draw_view(shape: Resolution, size: Resolution, augmentation: Augmentation, rng: np.random.Generator) -> View:
    """A view of an example of `shape` in a picture of `size`."""
    scale = rng.uniform(augmentation.scale_min, augmentation.scale_max)
    rows, columns = (_span(have, want, scale, rng) for have, want in zip(shape, size, strict=True))
    flip = bool(augmentation.flip and rng.random() < 0.5)
    colours = 1.0 + augmentation.colour * rng.uniform(-1.0, 1.0, 3)
    return View(
        source=(rows[0], columns[0], rows[1], columns[1]),
        target=(rows[2], columns[2], rows[3], columns[3]),
        flip=flip,
        brightness=float(colours[0]),
        contrast=float(colours[1]),
        saturation=float(colours[2]),
    )


def draw_crop(shape: Resolution, size: Resolution, augmentation: Augmentation, rng: np.random.Generator) -> View:
    """A view of a part of the example that has the ratio of the picture: nothing is squeezed.

    Scale 1 shows the largest such part, at a random place.
    """
    factor = min(have / want for have, want in zip(shape, size, strict=True))
    height, width = (min(have, round(want * factor)) for have, want in zip(shape, size, strict=True))
    top, left = int(rng.integers(0, shape[0] - height + 1)), int(rng.integers(0, shape[1] - width + 1))
    inner = draw_view((height, width), size, augmentation, rng)
    return replace(inner, source=(inner.source[0] + top, inner.source[1] + left, *inner.source[2:]))


def _span(have: int, want: int, scale: float, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Start and length in the source, start and length in the view, of one direction."""
    if scale >= 1.0:
        shown = max(1, round(have / scale))
        return int(rng.integers(0, have - shown + 1)), shown, 0, want
    drawn = max(1, round(want * scale))
    return 0, have, int(rng.integers(0, want - drawn + 1)), drawn


def show(image: torch.Tensor, label: torch.Tensor, size: Resolution, view: View) -> tuple[torch.Tensor, torch.Tensor]:
    """Image and label as `view` shows them; what lies outside of the example is FILL and IGNORE."""
    seen = change_colours(_shown(image, size, view, resize_image, image.new_tensor(FILL)[:, None, None]), view)
    if label.ndim == 0:
        return seen, label
    return seen, _shown(label, size, view, resize_label, label.new_tensor(IGNORE))


def _shown(
    given: torch.Tensor,
    size: Resolution,
    view: View,
    resize: Callable[[torch.Tensor, Resolution], torch.Tensor],
    fill: torch.Tensor,
) -> torch.Tensor:
    """`given` [..., h, w] cut, resized, put on a canvas of `fill` where it does not cover it, and mirrored."""
    top, left, height, width = view.source
    to_top, to_left, to_height, to_width = view.target
    seen = resize(given[..., top : top + height, left : left + width], (to_height, to_width))
    if (to_height, to_width) != size:
        canvas = fill.expand(*given.shape[:-2], *size).contiguous()
        canvas[..., to_top : to_top + to_height, to_left : to_left + to_width] = seen
        seen = canvas
    return seen.flip(-1) if view.flip else seen


def resize_image(image: torch.Tensor, size: Resolution) -> torch.Tensor:
    """Bilinear with antialiasing, uint8 in and out."""
    if image.shape[1:] == size:
        return image
    return functional.interpolate(image[None], size=size, mode="bilinear", antialias=True)[0]


def resize_label(label: torch.Tensor, size: Resolution) -> torch.Tensor:
    """The id at the centre of each new pixel."""
    if label.shape == size:
        return label
    return functional.interpolate(label[None, None], size=size, mode="nearest-exact")[0, 0]


def change_colours(image: torch.Tensor, view: View) -> torch.Tensor:
    """Brightness, contrast about the mean grey, saturation about each pixel's grey: one affine map of the channels."""
    if (view.brightness, view.contrast, view.saturation) == (1.0, 1.0, 1.0):
        return image
    luma = torch.tensor(_LUMA)
    colours = view.saturation * torch.eye(3) + (1.0 - view.saturation) * luma.expand(3, 3)
    pixels = image.permute(1, 2, 0).reshape(-1, 3).float()
    grey = float(pixels.mean(0) @ luma.to(pixels.device)) * view.brightness
    gain = (view.brightness * view.contrast * colours).T.to(pixels.device)
    mixed = torch.addmm(torch.full((3,), (1.0 - view.contrast) * grey, device=pixels.device), pixels, gain)
    return mixed.round_().clamp_(0, 255).to(torch.uint8).reshape(*image.shape[1:], 3).permute(2, 0, 1)
