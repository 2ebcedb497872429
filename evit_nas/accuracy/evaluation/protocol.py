"""The official segmentation protocol, single scale (facts of the official family, section 9).

The image is resized to the input (bicubic without antialiasing, as cv2 does, rounded to 8 bits), the label keeps its
own size, the logits are resized to the label's size, the class is their argmax. Logits are resized as the network
upsamples: bicubic for official checkpoints, as upstream, bilinear for networks trained so.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import torch
from torch.nn import functional

from evit_nas.accuracy.data.batches import normalise
from evit_nas.accuracy.data.dataset import Dataset
from evit_nas.accuracy.evaluation.base import Hold, Model, Scores, check_fit
from evit_nas.accuracy.evaluation.classification import evaluate_classes
from evit_nas.accuracy.evaluation.confusion import Confusion
from evit_nas.space.arch import Resolution

Segmented = Callable[[Model, torch.Tensor, Resolution, Resolution], torch.Tensor]  # see `segment`


def evaluate(
    model: Model,
    dataset: Dataset,
    split: str,
    resolution: Resolution,
    *,
    segmented: Segmented | None = None,
    hold: Hold = nullcontext,
    advance: Callable[[], None] = lambda: None,
) -> Scores:
    """Scores of `model` on a split. `hold` is entered for each image alone, `advance` called after it.

    `segmented` gives the class ids of an image instead of `segment`, the single view of the protocol. A data set of
    whole images is scored by its own protocol (classification.py).

    Raises InputError where model and data set are of different tasks or have different numbers of classes.
    """
    check_fit(model, dataset)
    if dataset.task == "cls":
        return evaluate_classes(model, dataset, split, resolution, hold=hold, advance=advance)
    examples, confusion = dataset.split(split), Confusion(len(dataset.classes))
    for index in range(len(examples)):
        example = examples.read(index)
        height, width = example.label.shape
        with hold():
            size = model.fixed or dataset.input_size((height, width), resolution)
            predicted = (segmented or segment)(model, example.image, size, (height, width))
            confusion.add(example.label.numpy(), predicted.numpy())
        advance()
    per_class = (None if np.isnan(value) else float(value) for value in confusion.iou())
    return Scores(
        metric=dataset.metric,
        value=confusion.miou(),
        per_class=dict(zip(dataset.classes, per_class, strict=True)),
        images=len(examples),
        confusion=confusion.counts,
    )


@torch.inference_mode()
def segment(model: Model, image: torch.Tensor, size: Resolution, label_size: Resolution) -> torch.Tensor:
    """Class ids [H, W] at `label_size` of an image uint8 [3, h, w] that the model sees at `size`."""
    normalisation = model.normalisation
    output = model.run(normalise(resize(image, size)[None], normalisation.mean, normalisation.std))
    if not output.is_floating_point():
        ids = functional.interpolate(output[:, None].double(), size=label_size, mode="nearest-exact")
        return ids[0, 0].to(torch.int64)
    logits = functional.interpolate(output.float(), size=label_size, mode=model.upsample, align_corners=False)
    return logits[0].argmax(0).cpu()


def resize(image: torch.Tensor, size: Resolution) -> torch.Tensor:
    """uint8 [3, H, W] to uint8 of `size`, bicubic."""
    if image.shape[1:] == size:
        return image
    resized = functional.interpolate(image[None].float(), size=size, mode="bicubic", align_corners=False)
    return resized[0].round_().clamp_(0, 255).to(torch.uint8)
