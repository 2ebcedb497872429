from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from evit_nas.accuracy.data.dataset import Dataset, Example
from evit_nas.accuracy.evaluation.protocol import evaluate, segment
from evit_nas.accuracy.evaluation.views import Views, check_views
from evit_nas.accuracy.metric import Task
from evit_nas.errors import InputError
from evit_nas.model.description import Normalisation
from evit_nas.space.arch import Resolution, Upsample

SIZE = (32, 64)
IDENTITY = Normalisation(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


@dataclass
class Channels:
    """The strongest colour is the class; what lies left of the middle is taken for class 0 where `biased`."""

    biased: bool = False
    fixed: Resolution | None = None
    task: Task = "seg"
    classes: int = 3
    normalisation: Normalisation = IDENTITY
    upsample: Upsample = "bilinear"
    seen: tuple[Resolution, ...] = ()

    def run(self, image: torch.Tensor) -> torch.Tensor:
        self.seen = (*self.seen, (image.shape[2], image.shape[3]))
        logits = 8.0 * image
        if self.biased:
            logits[:, 0, :, : logits.shape[3] // 2] += 3.0
        return logits


def noise(height: int, width: int) -> torch.Tensor:
    pixels = np.random.default_rng(0).integers(0, 256, (3, height, width), dtype=np.uint8)
    return torch.from_numpy(pixels)


def test_one_view_is_the_protocol() -> None:
    image = noise(40, 70)
    assert torch.equal(Views()(Channels(), image, SIZE, (40, 70)), segment(Channels(), image, SIZE, (40, 70)))


def test_windows_cover_the_image_at_its_own_size() -> None:
    """A model that looks at each pixel alone gives by windows what it gives on the whole."""
    model, image = Channels(), noise(75, 130)
    found = Views(sliding=True)(model, image, SIZE, (75, 130))
    assert torch.equal(found, image.argmax(0))
    assert set(model.seen) == {SIZE}
    assert len(model.seen) == 4 * 3  # windows at most two thirds apart


def test_an_image_smaller_than_a_window_is_enlarged() -> None:
    model = Channels()
    assert Views(sliding=True)(model, noise(16, 16), SIZE, (16, 16)).shape == (16, 16)
    assert set(model.seen) == {SIZE}


def test_the_mirrored_view_takes_a_side_away() -> None:
    """A model with a bias to the left has none on average: grey everywhere is one class everywhere."""
    grey = torch.full((3, *SIZE), 128, dtype=torch.uint8)
    grey[1] += 64  # 8 * 64 / 255 = 2 above the others, less than the bias
    plain, mirrored = (Views(flip=flip)(Channels(biased=True), grey, SIZE, SIZE) for flip in (False, True))
    assert plain.unique().tolist() == [0, 1]
    assert mirrored.unique().tolist() == [1]


def test_scales_are_multiples_of_32() -> None:
    model = Channels()
    Views(scales=(0.5, 1.0, 1.75))(model, noise(*SIZE), SIZE, SIZE)
    assert model.seen == ((32, 32), (32, 64), (64, 128))


def test_probabilities_are_averaged_not_votes() -> None:
    """One view sure of class 1 outweighs one that is barely for class 0."""

    class Unsure(Channels):
        def run(self, image: torch.Tensor) -> torch.Tensor:
            logits = torch.zeros(1, 3, image.shape[2], image.shape[3])
            barely = image.shape[2] == SIZE[0]
            logits[:, 0 if barely else 1] = 0.1 if barely else 4.0
            return logits

    assert Views(scales=(1.0, 2.0))(Unsure(), noise(*SIZE), SIZE, SIZE).unique().tolist() == [1]


def test_what_a_file_of_one_size_cannot_show() -> None:
    fixed = Channels(fixed=SIZE)
    check_views(Views(scales=(0.5, 1.0), sliding=True, flip=True), fixed)
    with pytest.raises(InputError, match="takes 32x64 only; add --sliding-window"):
        check_views(Views(scales=(0.5, 1.0)), fixed)
    with pytest.raises(InputError, match=r"factors from 0\.1 to 10"):
        check_views(Views(scales=(0.0,)), Channels())

    class Ids(Channels):
        def run(self, image: torch.Tensor) -> torch.Tensor:
            return image.argmax(1)

    with pytest.raises(InputError, match="answers in class ids"):
        Views(flip=True)(Ids(), noise(*SIZE), SIZE, SIZE)


def test_the_evaluation_takes_them() -> None:
    class One:
        def __len__(self) -> int:
            return 1

        def name(self, index: int) -> str:
            return "one"

        def label(self, index: int) -> torch.Tensor:
            return noise(75, 130).argmax(0).to(torch.uint8)

        def read(self, index: int) -> Example:
            return Example(name="one", image=noise(75, 130), label=self.label(index))

    dataset = Dataset(name="one", classes=("r", "g", "b"), splits={"val": One()})
    assert evaluate(Channels(), dataset, "val", SIZE, segmented=Views(sliding=True)).value == 100.0
    assert evaluate(Channels(), dataset, "val", SIZE).value < 90.0
