from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import jaccard_score

from evit_nas.accuracy.evaluation.confusion import Confusion
from evit_nas.errors import InputError


def test_miou_by_hand() -> None:
    confusion = Confusion(3)
    confusion.add(np.array([[0, 0, 1, 255]], np.uint8), np.array([[0, 1, 1, 2]]))
    confusion.add(np.array([[1, 1]], np.uint8), np.array([[1, 0]]))
    # class 0: hit 1, union 1 + 1 + 1; class 1: hits 2, union 2 + 1 + 1; class 2 is ignored where it was predicted
    assert confusion.counts.tolist() == [[1, 1, 0], [1, 2, 0], [0, 0, 0]]
    iou = confusion.iou()
    assert iou[:2].tolist() == pytest.approx([100 / 3, 50.0])
    assert np.isnan(iou[2])
    assert confusion.miou() == pytest.approx((100 / 3 + 50) / 2)


def test_equals_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(0, 5, (4, 30, 40)), rng.integers(0, 5, (4, 30, 40))
    confusion = Confusion(5)
    for label, ids in zip(labels, predicted, strict=True):
        confusion.add(label.astype(np.uint8), ids)
    expected = 100 * jaccard_score(labels.reshape(-1), predicted.reshape(-1), average=None)
    assert confusion.iou().tolist() == pytest.approx(expected.tolist())


def test_nothing_labelled_is_no_score() -> None:
    with pytest.raises(InputError, match="not defined"):
        Confusion(3).miou()
