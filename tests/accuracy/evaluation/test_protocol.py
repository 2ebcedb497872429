from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from evit_nas.accuracy.data.dataset import Dataset, Example
from evit_nas.accuracy.evaluation.protocol import evaluate, resize, segment
from evit_nas.errors import InputError
from evit_nas.model.description import Normalisation

PLAIN = Normalisation(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


@dataclass
class Threshold:
    """Two classes: bright or dark red channel, at the input's size or at a part of it."""

    task: str = "seg"
    classes: int = 2
    fixed: tuple[int, int] | None = None
    normalisation: Normalisation = PLAIN
    upsample: str = "bilinear"
    stride: int = 1
    ids: bool = False
    seen: list[tuple[int, ...]] = field(default_factory=list)

    def run(self, image: torch.Tensor) -> torch.Tensor:
        self.seen.append(tuple(image.shape[2:]))
        red = image[:, :1, :: self.stride, :: self.stride] - 0.5
        return (red[:, 0] > 0).int() if self.ids else torch.cat([-red, red], dim=1)


class Split:
    """Images whose left part is bright, labels that say so but for one wrong row."""

    def __init__(self, size: tuple[int, int]) -> None:
        label = torch.zeros(size, dtype=torch.uint8)
        label[:, : size[1] // 2] = 1
        self.image = (label * 255).expand(3, -1, -1)
        self.labels = label.clone()
        self.labels[0] = 1
        self.labels[1] = 255

    def __len__(self) -> int:
        return 2

    def name(self, index: int) -> str:
        return str(index)

    def label(self, index: int) -> torch.Tensor:
        return self.labels

    def read(self, index: int) -> Example:
        return Example(name=str(index), image=self.image, label=self.labels)


def dataset(size: tuple[int, int], **changes: object) -> Dataset:
    return Dataset(name="own", classes=("dark", "bright"), splits={"val": Split(size)}, **changes)


def test_a_score_by_hand() -> None:
    scores = evaluate(Threshold(), dataset((32, 64)), "val", (32, 64))
    # 30 rows of 32 + 32 are right; of row 0 the dark half is labelled bright; row 1 is ignored
    dark, bright = 2 * 30 * 32, 2 * 31 * 32
    assert scores.per_class == pytest.approx({"dark": 100 * dark / (dark + 64), "bright": 100 * bright / (bright + 64)})
    assert scores.value == pytest.approx(sum(scores.per_class.values()) / 2)
    assert scores.confusion.tolist() == [[dark, 0], [64, bright]]
    assert scores.images == 2


@pytest.mark.parametrize("ids", [False, True])
def test_counted_at_the_labels_size_whatever_the_input(ids: bool) -> None:
    model = Threshold(ids=ids)
    scores = evaluate(model, dataset((36, 70)), "val", (64, 128))
    assert model.seen == [(64, 128)] * 2
    assert scores.confusion.sum() == 2 * 35 * 70
    assert scores.value > 90


def test_a_fixed_input_wins() -> None:
    model = Threshold(fixed=(64, 64))
    evaluate(model, dataset((32, 64)), "val", (32, 64))
    assert model.seen == [(64, 64)] * 2


def test_the_ratio_is_kept_where_the_data_set_asks_for_it() -> None:
    model = Threshold()
    evaluate(model, dataset((40, 100), short_side=True), "val", (64, 64))
    assert model.seen == [(64, 160)] * 2


def test_logits_are_resized_before_the_argmax_by_the_networks_own_mode() -> None:
    model = Threshold(stride=8, upsample="bicubic")
    image = Split((32, 64)).image
    logits = torch.nn.functional.interpolate(model.run(image[None] / 255), size=(37, 70), mode="bicubic")
    assert torch.equal(segment(model, image, (32, 64), (37, 70)), logits[0].argmax(0))


def test_other_classes_are_refused() -> None:
    with pytest.raises(InputError, match="the network has 19 classes and the data set own 2"):
        evaluate(Threshold(classes=19), dataset((32, 64)), "val", (32, 64))


def test_images_are_resized_as_cv2_does() -> None:
    """Cubic convolution with a = -0.75 at pixel centres, computed here by hand along one row."""
    row = np.array([0, 0, 255, 255, 0, 100], np.float64)

    def cubic(x: float) -> float:
        a, x = -0.75, abs(x)
        if x <= 1:
            return (a + 2) * x**3 - (a + 3) * x**2 + 1
        return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0

    expected = []
    for i in range(9):
        centre = (i + 0.5) * 6 / 9 - 0.5
        near = range(int(np.floor(centre)) - 1, int(np.floor(centre)) + 3)
        value = sum(cubic(centre - j) * row[min(max(j, 0), 5)] for j in near)
        expected.append(float(np.clip(round(value), 0, 255)))
    image = torch.from_numpy(row.astype(np.uint8)).expand(3, 4, 6)
    assert resize(image, (4, 9))[0, 0].tolist() == pytest.approx(expected, abs=1)
