"""What the supernet's verbs share: data, recipe and machine, and members with statistics and scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from evit_nas.errors import InputError
from evit_nas.space.arch import ArchConfig, Resolution, check_resolution
from evit_nas.space.space import Candidate
from evit_nas.workflows.candidates import ResolvedArch, resolve_arch
from evit_nas.workflows.progress import Progress, Silent
from evit_nas.workflows.step_lock import step_lock

if TYPE_CHECKING:
    import torch

    from evit_nas.accuracy.data.dataset import Dataset, Split
    from evit_nas.accuracy.evaluation.base import Scores
    from evit_nas.accuracy.supernet.checkpoint import About
    from evit_nas.accuracy.supernet.supernet import Supernet
    from evit_nas.accuracy.training.recipe import Recipe
    from evit_nas.model.efficientvit import EfficientViT


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Data and recipe, and what runs on them."""

    dataset: Dataset
    recipe: Recipe
    seed: int
    device: torch.device
    threads: int
    progress: Progress
    largest_every: int = 1  # of its steps train the largest member; used by training alone

    @property
    def hold(self) -> Callable[[], AbstractContextManager[None]]:
        """The machine, for one step."""
        return step_lock(self.progress.note)

    def norm_images(self, examples: Split, resolution: Resolution) -> Iterator[torch.Tensor]:
        """Normalised views of training images for BatchNorm statistics, the same for every member."""
        from evit_nas.accuracy.data.batches import Batches, normalise
        from evit_nas.model.description import Normalisation

        recipe, own = self.recipe, Normalisation()
        batches = Batches(
            split=examples, size=resolution, batch=recipe.batch, augmentation=recipe.augmentation, seed=self.seed
        )
        for number in range(math.ceil(recipe.norm_images / recipe.batch)):
            yield normalise(batches.at(number).images.to(self.device), own.mean, own.std)


def make_setting(
    dataset: str,
    root: Path | None,
    recipe: str | Path,
    epochs: int | None,
    resolution: Resolution | None,
    seed: int,
    threads: int,
    progress: Progress | None,
) -> Setting:
    from evit_nas.accuracy.data.catalogue import open_dataset
    from evit_nas.accuracy.training.machine import prepare
    from evit_nas.accuracy.training.recipe import load_recipe

    size = check_resolution(resolution) if resolution else None
    data = open_dataset(dataset, root)
    if data.task != "seg":
        raise InputError(f"data set {dataset}: its images have one class each; a supernet is trained for segmentation")
    return Setting(
        dataset=data,
        recipe=load_recipe(recipe, epochs=epochs, resolution=size),
        seed=seed,
        device=prepare(seed, threads),
        threads=threads,
        progress=progress or Silent(),
    )


def score_member(supernet: Supernet, candidate: Candidate, setting: Setting, examples: Split) -> float:
    """Its mIoU on val at its own resolution, with statistics of `examples`."""
    from evit_nas.accuracy.supernet.supernet import member

    size = candidate.resolution
    network = member(supernet, candidate.arch, setting.norm_images(examples, size), setting.hold)
    return score_network(network, setting, "val", size).value


def score_network(
    network: EfficientViT,
    setting: Setting,
    split: str,
    size: Resolution,
    *,
    advance: Callable[[], None] = lambda: None,
) -> Scores:
    """Scores by the official protocol."""
    from evit_nas.accuracy.evaluation.models import TorchModel
    from evit_nas.accuracy.evaluation.protocol import evaluate

    return evaluate(
        TorchModel(network=network),
        setting.dataset,
        split,
        size,
        hold=setting.hold,
        advance=advance,
    )


def member_network(
    checkpoint: Path, arch: str | Path | ArchConfig, resolution: Resolution | None, setting: Setting
) -> tuple[EfficientViT, Resolution, About]:
    """The network of a member with its statistics, the input size to use, and what the supernet is for."""
    from evit_nas.accuracy.data.batches import Cached
    from evit_nas.accuracy.supernet.checkpoint import load_supernet
    from evit_nas.accuracy.supernet.supernet import member

    supernet, about = load_supernet(checkpoint)
    check_classes(checkpoint, about, setting)
    found = resolve_arch(arch)
    wanted = member_of(supernet, found)
    size = check_resolution(resolution or found.resolution or about.resolution)
    examples = Cached(setting.dataset.split("train"))
    supernet.to(setting.device)
    return member(supernet, wanted, setting.norm_images(examples, size), setting.hold), size, about


def check_classes(checkpoint: Path, about: About, setting: Setting) -> None:
    """Raise InputError where a supernet was trained for other classes than those of the data."""
    if about.class_names != setting.dataset.classes:
        raise InputError(f"{checkpoint}: trained for other classes than those of {setting.dataset.name}")


def member_of(supernet: Supernet, found: ResolvedArch) -> ArchConfig:
    """The architecture with the supernet's number of classes. Raises InputError where it is no member."""
    space = supernet.space
    wanted = replace(found.arch, head=replace(found.arch.head, classes=space.spec.classes))
    reason = space.contains(wanted, space.resolutions[0])
    if reason is not None:
        raise InputError(f"{found.name}: not a member of {space.name}: {reason}")
    return wanted
