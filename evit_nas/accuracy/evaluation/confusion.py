"""The confusion matrix of a whole split and what follows from it.

Our own twenty lines instead of a metrics library: the official figure is the mean over classes of intersections and
unions accumulated over all images, and libraries differ in what they do with classes that are absent. The tests hold
it against scikit-learn's jaccard_score.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evit_nas.errors import InputError


class Confusion:
    """`counts` [K, K]: pixels (or images) of class row that were given class column."""

    def __init__(self, classes: int) -> None:
        self.counts: NDArray[np.int64] = np.zeros((classes, classes), np.int64)

    def add(self, label: NDArray[np.integer], predicted: NDArray[np.integer]) -> None:
        """Both of one shape. Ignored pixels of the label do not count."""
        classes = len(self.counts)
        kept = label < classes
        pairs = label[kept].astype(np.int64) * classes + predicted[kept]
        self.counts += np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)

    def iou(self) -> NDArray[np.float64]:
        """Intersection over union by class in percent, shape (K,); NaN for a class neither labelled nor predicted."""
        hits = np.diag(self.counts)
        union = self.counts.sum(0) + self.counts.sum(1) - hits
        values: NDArray[np.float64] = np.full(len(hits), np.nan)
        np.divide(100.0 * hits, union, out=values, where=union > 0)
        return values

    def miou(self) -> float:
        """Mean over the classes that occur. Raises InputError where none does: there is nothing to average."""
        values = self.iou()
        if np.isnan(values).all():
            raise InputError("no labelled pixel in the split: mIoU is not defined")
        return float(np.nanmean(values))
