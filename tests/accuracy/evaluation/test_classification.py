from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from PIL import Image

from evit_nas.accuracy.data.dataset import Dataset, Example
from evit_nas.accuracy.evaluation.classification import centre
from evit_nas.accuracy.evaluation.protocol import evaluate
from evit_nas.accuracy.evaluation.views import Views, check_views
from evit_nas.accuracy.metric import Task
from evit_nas.errors import InputError
from evit_nas.model.description import Normalisation
from evit_nas.space.arch import Resolution, Upsample

CLASSES = tuple("abcdefg")
PLAIN = Normalisation(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


@dataclass
class Grey:
    """The logit of class k falls with the distance of k from the image's grey: class 3 is best at grey 3."""

    task: Task = "cls"
    fixed: Resolution | None = None
    classes: int = len(CLASSES)
    normalisation: Normalisation = PLAIN
    upsample: Upsample = "bilinear"

    def run(self, image: torch.Tensor) -> torch.Tensor:
        grey = 255 * float(image.mean())
        return torch.tensor([[-abs(k - grey + 0.01) for k in range(self.classes)]])


class Flat:
    """Images of one grey each, with their labels."""

    def __init__(self, *rows: tuple[int, int]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def name(self, index: int) -> str:
        return str(index)

    def label(self, index: int) -> torch.Tensor:
        return torch.tensor(self.rows[index][1])

    def read(self, index: int) -> Example:
        image = torch.full((3, 40, 50), self.rows[index][0], dtype=torch.uint8)
        return Example(name=str(index), image=image, label=self.label(index))


def dataset(*rows: tuple[int, int]) -> Dataset:
    return Dataset(name="flat", classes=CLASSES, splits={"val": Flat(*rows)}, task="cls")


def test_top1_and_top5_by_hand() -> None:
    """Grey 0 ranks a b c d e f g: label a is the first, e the fifth, f the sixth; grey 6 ranks g first."""
    scores = evaluate(Grey(), dataset((0, 0), (0, 4), (0, 5), (6, 6)), "val", (32, 32))
    assert (scores.metric, scores.value, scores.top5, scores.images) == ("top1", 50.0, 75.0, 4)
    assert (scores.per_class["a"], scores.per_class["e"], scores.per_class["b"]) == (100.0, 0.0, None)
    assert scores.confusion[4, 0] == 1
    assert scores.confusion.sum() == 4


@pytest.mark.parametrize("shape", [(60, 90), (91, 64), (33, 34)])
def test_the_centre_is_what_pillow_and_the_official_transforms_cut(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    side, short = 32, 34  # ceil(32 / 0.95)
    height, width = (short * have // min(shape) for have in shape)
    resized = np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC))
    top, left = round((height - side) / 2), round((width - side) / 2)
    expected = resized[top : top + side, left : left + side].astype(int)
    found = centre(torch.from_numpy(pixels).permute(2, 0, 1), (side, side)).permute(1, 2, 0).numpy().astype(int)
    assert np.abs(found - expected).max() <= 1


def test_what_does_not_fit() -> None:
    with pytest.raises(InputError, match="the network segments; the data set flat is for one that classifies"):
        evaluate(Grey(task="seg"), dataset((0, 0)), "val", (32, 32))
    with pytest.raises(InputError, match="3 classes and the data set flat 7"):
        evaluate(Grey(classes=3), dataset((0, 0)), "val", (32, 32))
    with pytest.raises(InputError, match="views of a network that segments"):
        check_views(Views(flip=True), Grey())
    with pytest.raises(InputError, match="no images in val"):
        evaluate(Grey(), dataset(), "val", (32, 32))
