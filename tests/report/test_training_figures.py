from __future__ import annotations

from pathlib import Path

import numpy as np

from evit_nas.report.figures import write_figure
from evit_nas.report.training_figures import draw_confusion, draw_curves


def test_curves_show_every_epoch_and_every_score(tmp_path: Path) -> None:
    figure = draw_curves([1.5, 1.0, 0.8], [(2, 40.0), (3, 45.25)])
    left, right = figure.axes
    assert left.lines[0].get_xydata().tolist() == [[1, 1.5], [2, 1.0], [3, 0.8]]
    assert right.lines[0].get_xydata().tolist() == [[2, 40.0], [3, 45.25]]
    assert [text.get_text() for text in right.texts] == ["45.25"]
    assert [path.name for path in write_figure(figure, tmp_path, "curves")] == ["curves.png", "curves.svg"]


def test_confusion_is_in_percent_of_the_labelled_class() -> None:
    figure = draw_confusion(np.array([[30, 10], [0, 0]]), ("road", "car"))
    axes = figure.axes[0]
    assert axes.images[0].get_array().tolist() == [[75.0, 25.0], [0.0, 0.0]]
    assert [text.get_text() for text in axes.texts] == ["75", "25"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["road", "car"]


def test_many_classes_go_without_numbers() -> None:
    axes = draw_confusion(np.eye(150), [f"class {number}" for number in range(150)]).axes[0]
    assert not axes.texts
    assert {label.get_text() for label in axes.get_xticklabels()} == {""}
