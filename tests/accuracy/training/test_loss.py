from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from evit_nas.accuracy.data.dataset import Example
from evit_nas.accuracy.training.loss import class_weights, image_loss, pixel_loss
from evit_nas.errors import InputError


class Labels:
    """A split of given labels."""

    def __init__(self, *rows: list[int]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def name(self, index: int) -> str:
        return str(index)

    def label(self, index: int) -> torch.Tensor:
        return torch.tensor([self.rows[index]])

    def read(self, index: int) -> Example:
        raise AssertionError("class weights need no image")


def test_class_weights_are_median_over_frequency() -> None:
    split = Labels([0] * 16, [1] * 4 + [2] * 1 + [255] * 11)
    assert class_weights(split, 4, 1.0).tolist() == [0.25, 1.0, 4.0, 1.0]  # 16, 4, 1 and no pixels
    assert class_weights(split, 4, 0.5).tolist() == [0.5, 1.0, 2.0, 1.0]
    assert class_weights(Labels([300] * 4, [299]), 301, 1.0)[[299, 300]].tolist() == [2.5, 0.625]
    with pytest.raises(InputError, match="no pixel"):
        class_weights(Labels([255, 255]), 4, 1.0)


def test_ignored_pixels_cost_nothing() -> None:
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    labels = torch.full((1, 4, 4), 255, dtype=torch.uint8)
    labels[0, 1, 2] = 2
    loss = pixel_loss()(logits, labels)
    assert float(loss.detach()) == pytest.approx(float(-functional.log_softmax(logits[0, :, 1, 2], 0)[2].detach()))
    loss.backward()
    assert logits.grad[0, :, 1, 2].abs().sum() > 0
    assert logits.grad.any(dim=1).sum() == 1


def test_a_batch_without_labels_has_no_gradient_and_no_nan() -> None:
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)
    loss = pixel_loss()(logits, torch.full((1, 4, 4), 255, dtype=torch.uint8))
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert not logits.grad.any()


def test_the_loss_of_whole_images_weighs_and_smooths() -> None:
    logits, labels = torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.tensor([0, 1])
    costs = functional.cross_entropy(logits, labels, reduction="none", label_smoothing=0.1)
    assert float(image_loss(label_smoothing=0.1)(logits, labels)) == pytest.approx(float(costs.mean()))
    plain = functional.cross_entropy(logits, labels, reduction="none")
    weighted = float(image_loss(torch.tensor([1.0, 3.0]))(logits, labels))
    assert weighted == pytest.approx(float((plain[0] + 3 * plain[1]) / 4))


def test_the_weighted_mean_is_over_the_weights() -> None:
    logits = torch.zeros(1, 2, 1, 2)
    logits[0, 0, 0, 0] = 2.0
    labels = torch.tensor([[[0, 1]]], dtype=torch.uint8)
    costs = functional.cross_entropy(logits, labels.long(), reduction="none").flatten()
    expected = (1.0 * costs[0] + 3.0 * costs[1]) / 4.0
    assert float(pixel_loss(torch.tensor([1.0, 3.0]))(logits, labels)) == pytest.approx(float(expected))
