"""Figures of a training and of an evaluation: curves, and the confusion of classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from evit_nas.report import style

_WRITTEN = 20  # classes up to which each cell has its number
_SHOWN_PERCENT = 1.0  # cells below it have none


def draw_curves(losses: Sequence[float], scores: Sequence[tuple[int, float]], metric: str = "mIoU") -> Figure:
    """Loss by epoch (the first is epoch 1) on the left, `metric` in percent at the epochs where it was taken beside
    it."""
    figure = Figure(figsize=(9.0, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(range(1, len(losses) + 1), losses, color=style.FRONT, linewidth=1.6)
    left.set_ylabel("loss of training, mean of the epoch")
    epochs, values = zip(*scores, strict=True)
    right.plot(epochs, values, color=style.BEST, linewidth=1.6, marker="o", markersize=4)
    right.annotate(f"{values[-1]:.2f}", (epochs[-1], values[-1]), (-4, 6), textcoords="offset points", ha="right")
    right.margins(y=0.12)  # room for the number of the last point
    right.set_ylabel(f"{metric} on val, %")
    for axes in (left, right):
        axes.set_xlabel("epoch")
        axes.set_xlim(0.5, max(len(losses), epochs[-1]) + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        style.clean(axes)
    return figure


def draw_confusion(counts: ArrayLike, classes: Sequence[str], counted: str = "pixels") -> Figure:
    """`counts` [K, K]: pixels (what is `counted`) of class row that were given class column, as percent of the row."""
    pixels = np.asarray(counts, np.float64)
    rows = pixels.sum(axis=1, keepdims=True)
    shares = 100.0 * np.divide(pixels, rows, out=np.zeros_like(pixels), where=rows > 0)
    count = len(classes)
    side = min(16.0, 3.0 + 0.45 * count)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=100.0)
    figure.colorbar(image, ax=axes, shrink=0.8, label=f"percent of the {counted} of the labelled class")
    named = count <= 3 * _WRITTEN
    axes.set_xticks(range(count), classes if named else [""] * count, rotation=90, fontsize=8)
    axes.set_yticks(range(count), classes if named else [""] * count, fontsize=8)
    axes.set_xlabel("given class")
    axes.set_ylabel("labelled class")
    if count <= _WRITTEN:
        for row, column in zip(*np.nonzero(shares >= _SHOWN_PERCENT), strict=True):
            value = shares[row, column]
            colour = "white" if value > 55.0 else style.INK
            axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=7, color=colour)
    return figure
