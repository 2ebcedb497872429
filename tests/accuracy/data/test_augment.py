"""Image and label always move together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evit_nas.accuracy.data.augment import FILL, NONE, Augmentation, View, change_colours, draw_crop, draw_view, show

GEOMETRY = Augmentation(scale_min=0.4, scale_max=2.5, flip=True, colour=0.0)


def example(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Halves of black and white, cut across and along; the label says which is which."""
    label = torch.zeros(height, width, dtype=torch.uint8)
    label[height // 2 :, width // 3 :] = 1
    return (label * 255).expand(3, -1, -1).contiguous(), label


@settings(max_examples=120, deadline=None)
@given(
    shape=st.tuples(st.integers(16, 90), st.integers(16, 90)),
    size=st.tuples(st.integers(16, 80), st.integers(16, 80)),
    seed=st.integers(0, 2**32 - 1),
)
def test_image_and_label_move_together(shape: tuple[int, int], size: tuple[int, int], seed: int) -> None:
    image, label = example(*shape)
    view = draw_view(shape, size, GEOMETRY, np.random.default_rng(seed))
    seen, seen_label = show(image, label, size, view)
    assert seen.shape == (3, *size)
    assert seen_label.shape == size
    outside = seen_label == 255
    assert all((seen[channel][outside] == FILL[channel]).all() for channel in range(3))
    white, black = seen[0][seen_label == 1].float(), seen[0][seen_label == 0].float()
    assert (white >= 60).all()  # the pixel in the corner mixes with three black ones
    assert (black <= 140).all()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_view_shows_no_pixel_that_is_not_there(seed: int) -> None:
    view = draw_view((30, 40), (32, 64), GEOMETRY, np.random.default_rng(seed))
    for (top, left, height, width), (rows, columns) in ((view.source, (30, 40)), (view.target, (32, 64))):
        assert 0 <= top <= top + height <= rows
        assert 0 <= left <= left + width <= columns


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(40, 90), st.integers(40, 90)),
    size=st.tuples(st.integers(16, 80), st.integers(16, 80)),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_crop_keeps_the_ratio_and_stays_inside(shape: tuple[int, int], size: tuple[int, int], seed: int) -> None:
    inside = Augmentation(scale_min=1.0, scale_max=2.0)
    top, left, height, width = draw_crop(shape, size, inside, np.random.default_rng(seed)).source
    assert 0 <= top <= top + height <= shape[0]
    assert 0 <= left <= left + width <= shape[1]
    assert height / size[0] * size[1] == pytest.approx(width, abs=1 + size[1] / size[0])  # both are whole pixels


def test_a_label_of_the_whole_image_stays() -> None:
    image, _ = example(30, 60)
    view = draw_crop((30, 60), (32, 32), GEOMETRY, np.random.default_rng(0))
    seen, label = show(image, torch.tensor(700), (32, 32), view)
    assert seen.shape == (3, 32, 32)
    assert int(label) == 700


def test_without_augmentation_an_example_is_only_resized() -> None:
    image, label = example(32, 64)
    view = draw_view((32, 64), (32, 64), NONE, np.random.default_rng(0))
    seen, seen_label = show(image, label, (32, 64), view)
    assert torch.equal(seen, image)
    assert torch.equal(seen_label, label)


def test_a_flip_is_a_flip() -> None:
    image, label = example(16, 32)
    whole = (0, 0, 16, 32)
    seen, seen_label = show(image, label, (16, 32), View(source=whole, target=whole, flip=True))
    assert torch.equal(seen, image.flip(-1))
    assert torch.equal(seen_label, label.flip(-1))


def test_colours() -> None:
    image = torch.tensor([[200, 100], [50, 25], [10, 20]], dtype=torch.uint8).reshape(3, 1, 2)
    whole = (0, 0, 1, 2)

    def changed(**factors: float) -> list[list[int]]:
        return change_colours(image, View(source=whole, target=whole, **factors)).reshape(3, 2).tolist()

    assert changed() == image.reshape(3, 2).tolist()
    assert changed(brightness=0.5) == [[100, 50], [25, 12], [5, 10]]
    grey = changed(saturation=0.0)
    assert grey[0] == grey[1] == grey[2] == [90, 47]  # 0.299 R + 0.587 G + 0.114 B
    assert changed(contrast=0.0) == [[69, 69]] * 3  # the mean grey
