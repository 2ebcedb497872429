from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from evit_nas.accuracy.data.augment import Augmentation
from evit_nas.accuracy.data.batches import Batches
from evit_nas.accuracy.data.scenes import CLASSES, SceneSplit
from evit_nas.accuracy.training.engine import Job
from evit_nas.accuracy.training.loss import pixel_loss
from evit_nas.accuracy.training.recipe import Recipe
from evit_nas.model.efficientvit import build
from evit_nas.space.arch import ArchConfig, BlockConfig, MsaConfig, SegHead, StageConfig, StemConfig

MakeJob = Callable[..., Job]


@pytest.fixture
def tiny() -> Callable[[], nn.Module]:
    """A network of the family as small as it gets, the same at every call."""

    def make() -> nn.Module:
        torch.manual_seed(0)
        plain, attention = (BlockConfig(),), (BlockConfig(msa=MsaConfig()),)
        stages = (
            StageConfig(width=8),
            StageConfig(width=8, blocks=plain),
            StageConfig(width=16, blocks=attention),
            StageConfig(width=16, blocks=attention),
        )
        head = SegHead(classes=len(CLASSES), width=8)
        return build(ArchConfig(stem=StemConfig(width=8), stages=stages, head=head, head_dim=8))

    return make


@pytest.fixture
def job(tmp_path: Path) -> MakeJob:
    """Three epochs of four steps on drawn scenes."""

    def make(**changes: object) -> Job:
        recipe = changes.pop("recipe", Recipe(resolution=(32, 64), epochs=3, batch=4, norm_images=8, evaluate_every=2))
        batches = Batches(
            split=SceneSplit(seed=(0, 1), size=16),
            size=recipe.resolution,
            batch=recipe.batch,
            augmentation=Augmentation(),
            seed=0,
        )
        settings = {
            "loss": pixel_loss(),
            "request": '{"seed": 0}',
            "state_path": tmp_path / "state.safetensors",
            "validate": lambda network: 12.5,
        }
        return Job(recipe=recipe, batches=batches, **(settings | changes))

    return make
