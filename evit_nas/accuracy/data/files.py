"""Pairs of image and label files, decoded with Pillow."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from evit_nas.accuracy.data.dataset import Example
from evit_nas.accuracy.data.labels import Bytes, invalid_ids, valid_ids
from evit_nas.errors import InputError


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """An image and its label on disk."""

    image: Path
    label: Path


@dataclass(frozen=True, kw_only=True, eq=False)
class FileSplit:
    """A split that reads its files anew each time. `entries`: id in the file -> class id (labels.py)."""

    pairs: Sequence[Pair]
    entries: Bytes

    def __len__(self) -> int:
        return len(self.pairs)

    def name(self, index: int) -> str:
        return str(self.pairs[index].image)

    def label(self, index: int) -> torch.Tensor:
        return read_label(self.pairs[index].label, self.entries)

    def read(self, index: int) -> Example:
        pair = self.pairs[index]
        image, label = read_image(pair.image), self.label(index)
        if image.shape[1:] != label.shape:
            sizes = " and ".join("x".join(str(side) for side in shape) for shape in (image.shape[1:], label.shape))
            raise InputError(f"{pair.image} and {pair.label}: image and label differ in size ({sizes})")
        return Example(name=str(pair.image), image=image, label=label)


def read_image(path: Path) -> torch.Tensor:
    """An image file as RGB, uint8 [3, H, W], channels last in memory. Raises InputError."""
    with _opened(path) as file:
        pixels = np.asarray(_decoded(file, path, "RGB"))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)


def read_label(path: Path, entries: Bytes) -> torch.Tensor:
    """A label file as class ids, uint8 [H, W]. Raises InputError, also for ids that the data set does not have."""
    raw = read_ids(path)
    unknown = invalid_ids(raw, entries)
    if unknown:
        listed = ", ".join(str(i) for i in unknown[:5]) + (" and more" if len(unknown) > 5 else "")
        raise InputError(f"{path}: label ids out of range: {listed}; valid: {valid_ids(entries)}")
    return torch.from_numpy(entries[raw])


def read_ids(path: Path) -> Bytes:
    """The 8-bit ids of a label file as they stand, [H, W]. Raises InputError."""
    with _opened(path) as file:
        if file.mode not in ("L", "P"):
            raise InputError(f"{path}: a label of mode {file.mode}; valid: one channel of 8 bits with class ids")
        ids: Bytes = np.asarray(_decoded(file, path, None), dtype=np.uint8)
    return ids


def _opened(path: Path) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return Image.open(path)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise _unreadable(path, error) from None


def _decoded(file: Image.Image, path: Path, mode: str | None) -> Image.Image:
    try:
        file.load()
        return file if mode is None else file.convert(mode)
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: BaseException) -> InputError:
    reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:80] or type(error).__name__
    return InputError(f"{path}: not an image that can be read ({reason})")
