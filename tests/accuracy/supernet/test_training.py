from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import nn

from evit_nas.accuracy.data.augment import Augmentation
from evit_nas.accuracy.data.batches import Batches
from evit_nas.accuracy.data.dataset import Example
from evit_nas.accuracy.supernet.sampling import Sandwich
from evit_nas.accuracy.supernet.supernet import Supernet
from evit_nas.accuracy.supernet.training import train_supernet
from evit_nas.accuracy.training import engine
from evit_nas.accuracy.training.loss import pixel_loss
from evit_nas.accuracy.training.recipe import Recipe
from evit_nas.accuracy.training.state import EpochRow
from evit_nas.errors import InputError
from evit_nas.space.space import SearchSpace

RECIPE = Recipe(resolution=(64, 96), epochs=2, batch=4, evaluate_every=1)


@dataclass(frozen=True)
class Noise:
    """Eight random images, labelled by whether they are red."""

    def __len__(self) -> int:
        return 8

    def name(self, index: int) -> str:
        return f"noise {index}"

    def read(self, index: int) -> Example:
        image = torch.randint(0, 256, (3, 64, 96), generator=torch.Generator().manual_seed(index)).to(torch.uint8)
        return Example(name=self.name(index), image=image, label=(image[0] > 127).to(torch.uint8))


class Stop(Exception):
    pass


def job(path: Path, recipe: Recipe = RECIPE, *, stop_after: int | None = None) -> engine.Job:
    def on_epoch(history: list[EpochRow]) -> None:
        if len(history) == stop_after:
            raise Stop

    def validate(network: nn.Module) -> float:
        assert isinstance(network, Supernet)
        return 12.5

    batches = Batches(split=Noise(), size=recipe.resolution, batch=recipe.batch, augmentation=Augmentation(), seed=0)
    return engine.Job(
        recipe=recipe,
        batches=batches,
        loss=pixel_loss(),
        request="{}",
        state_path=path / "state.safetensors",
        validate=validate,
        on_epoch=on_epoch,
    )


def fresh(space: SearchSpace) -> Supernet:
    torch.manual_seed(0)
    return Supernet(space)


def test_an_interrupted_training_ends_as_an_uninterrupted_one(tiny: SearchSpace, tmp_path: Path) -> None:
    sandwich = Sandwich(tiny, 0)
    whole = job(tmp_path / "whole")
    state = engine.start(fresh(tiny), whole)
    expected = train_supernet(state, whole, sandwich).tensors
    stopped = job(tmp_path / "cut", stop_after=1)
    with pytest.raises(Stop):
        train_supernet(engine.start(fresh(tiny), stopped), stopped, sandwich)
    resumed = job(tmp_path / "cut")
    again = engine.resume(fresh(tiny), resumed)
    assert again.step == 2
    found = train_supernet(again, resumed, sandwich).tensors
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert [row.score for row in again.history] == [12.5, None]
    assert all(math.isfinite(row.loss) for row in again.history)


def test_a_loss_that_is_not_finite_stops_the_training(tiny: SearchSpace, tmp_path: Path) -> None:
    broken = fresh(tiny)
    with torch.no_grad():
        next(iter(broken.tensors.values())).fill_(math.nan)
    ours = job(tmp_path)
    with pytest.raises(
        InputError, match=r"stopped at step 1 of 4: .* images noise \d, .* nothing was stored yet; lower learning_rate"
    ):
        train_supernet(engine.start(broken, ours), ours, Sandwich(tiny, 0))


def test_a_batch_in_parts_is_refused(tiny: SearchSpace, tmp_path: Path) -> None:
    parted = job(tmp_path, replace(RECIPE, accumulate=2))
    with pytest.raises(InputError, match="accumulate 2, auxiliary 0: a supernet step takes its batch whole"):
        train_supernet(engine.start(fresh(tiny), parted), parted, Sandwich(tiny, 0))
