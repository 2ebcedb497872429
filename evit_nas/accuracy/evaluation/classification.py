"""The official protocol of classification, single crop (eval_efficientvit_cls_model.py of the official repository).

The image is resized (bicubic with antialiasing, as Pillow does) so that the input is CROP of its shorter side, and the
centre is cut out.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from evit_nas.accuracy.data.batches import normalise
from evit_nas.accuracy.data.dataset import Dataset
from evit_nas.accuracy.evaluation.base import Hold, Model, Scores
from evit_nas.accuracy.evaluation.confusion import Confusion
from evit_nas.errors import InputError
from evit_nas.space.arch import Resolution

CROP = 0.95
TOP = 5


def evaluate_classes(
    model: Model, dataset: Dataset, split: str, resolution: Resolution, *, hold: Hold, advance: Callable[[], None]
) -> Scores:
    """Top-1 and top-5 of `model` on a split. `hold` is entered for each image alone, `advance` called after it."""
    examples, labels, given = dataset.split(split), [], []
    for index in range(len(examples)):
        example = examples.read(index)
        with hold():
            given.append(best_classes(model, example.image, model.fixed or resolution))
        labels.append(int(example.label))
        advance()
    if not labels:
        raise InputError(f"data set {dataset.name}: no images in {split}; top-1 is not defined")
    wanted, answers = np.array(labels), np.stack(given)
    right = answers == wanted[:, None]
    confusion = Confusion(len(dataset.classes))
    confusion.add(wanted, answers[:, 0])
    hits, counts = np.diag(confusion.counts).tolist(), confusion.counts.sum(axis=1).tolist()
    shares = (100.0 * hit / count if count else None for hit, count in zip(hits, counts, strict=True))
    return Scores(
        metric=dataset.metric,
        value=float(100 * right[:, 0].mean()),
        top5=float(100 * right.any(axis=1).mean()),
        per_class=dict(zip(dataset.classes, shares, strict=True)),
        images=len(labels),
        confusion=confusion.counts,
    )


@torch.inference_mode()
def best_classes(model: Model, image: torch.Tensor, size: Resolution) -> NDArray[np.int64]:
    """The classes of the TOP largest logits, the largest first, of an image uint8 [3, h, w] seen at `size`."""
    normalisation = model.normalisation
    logits = model.run(normalise(centre(image, size)[None], normalisation.mean, normalisation.std))[0]
    best: NDArray[np.int64] = logits.topk(min(TOP, len(logits))).indices.cpu().numpy()
    return best


def centre(image: torch.Tensor, size: Resolution) -> torch.Tensor:
    """uint8 [3, h, w] to the middle of it, [3, *size]."""
    sides = list(zip((math.ceil(side / CROP) for side in size), image.shape[1:], strict=True))
    wanted, given = max(sides, key=lambda side: side[0] / side[1])  # the side that must be scaled most
    shape = [max(want, have * wanted // given) for want, have in sides]
    resized = functional.interpolate(image[None], size=shape, mode="bicubic", antialias=True)[0]
    top, left = (round((have - want) / 2) for have, want in zip(shape, size, strict=True))
    return resized[:, top : top + size[0], left : left + size[1]]
