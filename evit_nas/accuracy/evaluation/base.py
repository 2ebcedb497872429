"""The seam between what is evaluated and how it is scored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from evit_nas.accuracy.data.dataset import Dataset
from evit_nas.accuracy.metric import Metric, Task
from evit_nas.errors import InputError
from evit_nas.model.description import Normalisation
from evit_nas.space.arch import Resolution, Upsample

Hold = Callable[[], AbstractContextManager[None]]
_DOES = {"seg": "segments", "cls": "classifies whole images"}


class Model(Protocol):
    """A network or a model file. `fixed` is the only input size it takes, None where any multiple of 32 will do."""

    @property
    def task(self) -> Task: ...

    @property
    def classes(self) -> int: ...

    @property
    def fixed(self) -> Resolution | None: ...

    @property
    def normalisation(self) -> Normalisation: ...

    @property
    def upsample(self) -> Upsample: ...

    def run(self, image: torch.Tensor) -> torch.Tensor:
        """Normalised image [1, 3, H, W] to logits [1, K, h, w], or to class ids [1, h, w] of an integer dtype.

        A network that classifies gives logits [1, K].
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Percent. `value` is that of `metric`, `top5` stands beside a top-1.

    `per_class`: intersection over union (None for a class neither labelled nor predicted), or the share of the class's
    images that are right (None where there is none). `confusion` [K, K] in pixels, or in images.
    """

    metric: Metric
    value: float
    per_class: Mapping[str, float | None]
    images: int
    confusion: NDArray[np.int64]
    top5: float | None = None

    def of(self, metric: Metric) -> float | None:
        """The value where it is of that metric."""
        return self.value if metric == self.metric else None


def check_fit(model: Model, dataset: Dataset) -> None:
    """Raise InputError where model and data set are of different tasks or have different numbers of classes."""
    if model.task != dataset.task:
        wanted = _DOES[dataset.task]
        raise InputError(f"the network {_DOES[model.task]}; the data set {dataset.name} is for one that {wanted}")
    if model.classes != len(dataset.classes):
        raise InputError(
            f"the network has {model.classes} classes and the data set {dataset.name} {len(dataset.classes)}: "
            "they must be the same"
        )
