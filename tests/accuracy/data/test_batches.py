from __future__ import annotations

import pytest
import torch

from evit_nas.accuracy.data.augment import Augmentation
from evit_nas.accuracy.data.batches import Batch, Batches, Cached, loading, normalise
from evit_nas.accuracy.data.dataset import Example
from evit_nas.accuracy.data.scenes import SceneSplit
from evit_nas.errors import InputError


def batches(seed: int = 0, split: object = None) -> Batches:
    chosen = split or SceneSplit(seed=(0, 1), size=10)
    return Batches(split=chosen, size=(32, 64), batch=3, augmentation=Augmentation(), seed=seed)


def equal(one: Batch, other: Batch) -> bool:
    return one.names == other.names and torch.equal(one.images, other.images) and torch.equal(one.labels, other.labels)


def test_a_batch_is_a_function_of_seed_and_step() -> None:
    late = batches().at(7)
    one = batches()
    for step in (0, 4, 2):
        one.at(step)
    assert equal(late, one.at(7))
    assert not equal(late, batches(seed=1).at(7))


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_workers_change_nothing(workers: int) -> None:
    with loading(batches(), 1, 6, workers) as given:
        assert all(equal(batch, batches().at(step)) for step, batch in zip(range(1, 6), given, strict=True))


def test_an_epoch_shows_every_example_once() -> None:
    for epoch in range(2):
        steps = range(epoch * 3, epoch * 3 + 3)
        names = [name for step in steps for name in batches().at(step).names]
        assert len(names) == len(set(names)) == 9
    assert [batches().at(s).names for s in range(3)] != [batches().at(s).names for s in range(3, 6)]


def test_the_same_example_is_seen_differently_in_the_next_epoch() -> None:
    small = Batches(split=SceneSplit(seed=(0, 1), size=1), size=(32, 64), batch=1, augmentation=Augmentation(), seed=0)
    assert not torch.equal(small.at(0).images, small.at(1).images)


class Counting:
    """A split that counts its reads."""

    def __init__(self) -> None:
        self.reads = 0

    def __len__(self) -> int:
        return 4

    def name(self, index: int) -> str:
        return str(index)

    def label(self, index: int) -> torch.Tensor:
        return torch.full((4, 4), index, dtype=torch.uint8)

    def read(self, index: int) -> Example:
        self.reads += 1
        label = self.label(index)
        return Example(name=str(index), image=label.expand(3, -1, -1), label=label)


def test_examples_are_decoded_once_while_they_fit() -> None:
    split = Counting()
    cached = Cached(split, limit_bytes=2 * 64)
    for _ in range(3):
        assert [int(cached.read(index).label[0, 0]) for index in range(4)] == [0, 1, 2, 3]
    assert split.reads == 2 + 3 * 2


def test_a_split_smaller_than_a_batch_is_refused() -> None:
    with pytest.raises(InputError, match="2 training images are fewer than a batch of 3"):
        batches(split=SceneSplit(seed=(0, 1), size=2))


def test_normalise() -> None:
    image = torch.tensor([0, 128, 255], dtype=torch.uint8).view(1, 3, 1, 1)
    values = normalise(image, (0.5, 0.5, 0.25), (0.5, 0.25, 0.5)).flatten().tolist()
    assert values == pytest.approx([-1.0, (128 / 255 - 0.5) / 0.25, 1.5], abs=1e-6)
