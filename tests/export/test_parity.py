"""The comparison itself: what counts as an error of logits and of class ids."""

from __future__ import annotations

import numpy as np
import pytest

from evit_nas.errors import CheckFailed
from evit_nas.export.parity import Parity, compare, seeded_image


def test_error_is_relative_to_the_largest_output() -> None:
    expected = np.array([[1.0, -4.0]], np.float32)
    found = compare(expected + np.array([[0.0, 0.02]], np.float32), expected)
    assert found.max_abs_error == pytest.approx(0.02, rel=1e-5)
    assert found.max_rel_error == pytest.approx(0.005, rel=1e-5)
    assert found.equal_share is None


def test_class_ids_err_by_how_much_worse_the_chosen_class_is() -> None:
    logits = np.array([[[[3.0, 1.0]], [[2.0, 1.0]]]], np.float32)  # [1, 2 classes, 1, 2]: the second pixel is a tie
    expected = logits.argmax(1).astype(np.int32)
    right = compare(np.array([[[0, 1]]], np.int32), expected, logits)
    wrong = compare(np.array([[[1, 0]]], np.int32), expected, logits)
    assert right == Parity(max_abs_error=0.0, max_rel_error=0.0, equal_share=0.5)
    assert wrong == Parity(max_abs_error=1.0, max_rel_error=pytest.approx(1 / 3), equal_share=0.5)


def test_other_shapes_fail() -> None:
    with pytest.raises(CheckFailed, match=r"\[1, 2\], torch's \[1, 3\]"):
        compare(np.ones((1, 2)), np.ones((1, 3)))


@pytest.mark.parametrize("whose", [0, 1])
def test_values_that_are_not_finite_fail(whose: int) -> None:
    pair = [np.ones((1, 2)), np.ones((1, 2))]
    pair[whose][0, 0] = np.nan
    with pytest.raises(CheckFailed, match="not finite"):
        compare(pair[0], pair[1])


def test_an_output_of_zeros_proves_nothing() -> None:
    with pytest.raises(CheckFailed, match="zero everywhere"):
        compare(np.zeros((1, 2)), np.zeros((1, 2)))


def test_the_image_is_reproducible() -> None:
    assert np.array_equal(seeded_image((32, 64), 3), seeded_image((32, 64), 3))
    assert seeded_image((32, 64), 3).shape == (1, 3, 32, 64)
