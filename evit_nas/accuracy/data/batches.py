"""Training batches as a pure function of (seed, step): nothing to store for a resume, any number of workers.

Shapes: images uint8 [B, 3, H, W] (channels last in memory), labels uint8 [B, H, W], or int64 [B] of whole images.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from evit_nas.accuracy.data.augment import Augmentation, draw_crop, draw_view, show
from evit_nas.accuracy.data.dataset import Example, Split
from evit_nas.errors import InputError
from evit_nas.space.arch import Resolution

CACHE_BYTES = 4 << 30  # of decoded examples; larger data sets are decoded again each time
WHOLE = (0, 1)
_AHEAD = 2  # batches that workers prepare before they are asked for
_ORDER, _VIEW = 0, 1  # streams of random numbers under one seed


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """`names` are those of the examples, for messages."""

    images: torch.Tensor
    labels: torch.Tensor
    names: tuple[str, ...]


class Cached:
    """A split whose examples are decoded once and kept as uint8 until `limit_bytes` are used."""

    def __init__(self, split: Split, limit_bytes: int = CACHE_BYTES) -> None:
        self._split, self._left = split, limit_bytes
        self._kept: dict[int, Example] = {}

    def __len__(self) -> int:
        return len(self._split)

    def name(self, index: int) -> str:
        return self._split.name(index)

    def label(self, index: int) -> torch.Tensor:
        return self._kept[index].label if index in self._kept else self._split.label(index)

    def read(self, index: int) -> Example:
        example = self._kept.get(index)
        if example is None:
            example = self._split.read(index)
            size = example.image.numel() + example.label.numel()
            if size <= self._left:
                self._left -= size
                self._kept[index] = example
        return example


@dataclass(frozen=True, kw_only=True)
class Batches:
    """All batches of a training. Each epoch shows every example once, in an order of its own; the rest is left out.

    `share` (number, count): only that one of equal parts of each batch. Raises InputError where the split is smaller
    than a batch.
    """

    split: Split
    size: Resolution
    batch: int
    augmentation: Augmentation
    seed: int
    share: tuple[int, int] = WHOLE

    def __post_init__(self) -> None:
        if len(self.split) < self.batch:
            raise InputError(f"{len(self.split)} training images are fewer than a batch of {self.batch}: lower `batch`")

    @property
    def per_epoch(self) -> int:
        return len(self.split) // self.batch

    def at(self, step: int) -> Batch:
        """The batch of step 0, 1, 2, ...: the same for the same seed, whatever was asked for before."""
        epoch, number = divmod(step, self.per_epoch)
        part, parts = self.share
        size = self.batch // parts
        first = number * self.batch + part * size
        chosen = _order(self.seed, epoch, len(self.split))[first : first + size]
        images, labels, names = [], [], []
        for index in chosen.tolist():
            example = self.split.read(index)
            rng = np.random.default_rng((self.seed, _VIEW, epoch, index))
            height, width = example.image.shape[1:]
            draw = draw_view if example.label.ndim else draw_crop
            view = draw((height, width), self.size, self.augmentation, rng)
            image, label = show(example.image, example.label, self.size, view)
            images.append(image)
            labels.append(label)
            names.append(example.name)
        return Batch(images=torch.stack(images), labels=torch.stack(labels), names=tuple(names))


@lru_cache(maxsize=4)
def _order(seed: int, epoch: int, size: int) -> NDArray[np.int64]:
    return np.random.default_rng((seed, _ORDER, epoch)).permutation(size)


@contextmanager
def loading(batches: Batches, first: int, last: int, workers: int) -> Iterator[Iterator[Batch]]:
    """Batches `first` .. `last` - 1 in order. With 0 workers each is made when it is asked for."""
    if workers == 0:
        yield (batches.at(step) for step in range(first, last))
        return
    with ThreadPoolExecutor(workers) as pool:  # decoding and resizing leave the interpreter's lock
        yield _prefetched(pool, batches, first, last, workers)


def _prefetched(pool: ThreadPoolExecutor, batches: Batches, first: int, last: int, workers: int) -> Iterator[Batch]:
    waiting: deque[Future[Batch]] = deque()
    steps = iter(range(first, last))
    for step in steps:
        waiting.append(pool.submit(batches.at, step))
        if len(waiting) >= workers + _AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def normalise(images: torch.Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
    """(image / 255 - mean) / std by channel; uint8 (or float 0 .. 255) [B, 3, H, W] to float32."""
    scale = torch.tensor([1.0 / (255.0 * s) for s in std], device=images.device).view(1, 3, 1, 1)
    shift = torch.tensor([m / s for m, s in zip(mean, std, strict=True)], device=images.device).view(1, 3, 1, 1)
    return images.to(torch.float32).mul_(scale).sub_(shift)
