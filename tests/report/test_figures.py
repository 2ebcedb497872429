"""The figures: what they are to show, and that their labels stay apart."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from evit_nas.report.breakdown_figure import draw_breakdown
from evit_nas.report.figures import run_figures, write_figures
from evit_nas.report.pareto_figure import Axis, draw_pareto, pareto_info, staircase
from evit_nas.report.run_data import Breakdown, RunData


def test_staircase_keeps_only_what_nothing_beats() -> None:
    x = np.array([3.0, 1.0, 2.0, 2.0, 4.0])
    y = np.array([5.0, 1.0, 4.0, 3.0, 5.0])
    np.testing.assert_array_equal(staircase(x, y), [[1, 1], [2, 4], [3, 5]])
    assert staircase(np.zeros(0), np.zeros(0)).shape == (0, 2)


def test_front_is_of_lower_bounds_within_the_budget(run: RunData) -> None:
    info = pareto_info(run, "latency")
    inside = run.evaluated.latency_ms <= run.manifest.budget_ms
    assert len(info.within) == inside.sum()
    assert len(info.within) + len(info.beyond) == len(inside)
    assert info.front[:, 0].max() <= run.manifest.budget_ms
    assert info.front[-1, 1] == run.evaluated.low[inside].max()


def test_a_point_without_latency_is_not_drawn_at_zero(run: RunData) -> None:
    names = {mark.label for mark in pareto_info(run, "latency").published}
    assert "B3 1184x2368" not in names
    assert "B3 1184x2368" in {mark.label for mark in pareto_info(run, "macs").published}


def test_measured_winners_are_drawn_against_latency_only(run: RunData) -> None:
    first = replace(
        run.winners[0],
        verified_ms=191.0,
        verified_low_ms=190.0,
        verified_high_ms=192.5,
        verified_provenance="simulated",
    )
    verified = replace(run, winners=(first, *run.winners[1:]))
    assert [mark.x for mark in pareto_info(verified, "latency").verified] == [191.0]
    assert pareto_info(verified, "latency").verified_as == "simulated"
    assert pareto_info(verified, "macs").verified == ()


def text_box(note: Annotation) -> Bbox:
    """The box of the text alone, without the line to its point."""
    note.get_window_extent()  # brings the text to its place
    return Text.get_window_extent(note)


@pytest.mark.parametrize("axis", ["latency", "macs"])
def test_labels_do_not_overlap(run: RunData, axis: Axis) -> None:
    info = pareto_info(run, axis)
    figure = draw_pareto(info)
    axes = figure.axes[0]
    notes = [t for t in axes.texts if isinstance(t, Annotation) and not t.get_text().startswith("budget")]
    boxes = [text_box(note) for note in notes]
    named = {mark.label for mark in (*info.winners, *info.published, *info.estimated)}
    assert {note.get_text() for note in notes} == named
    assert not [pair for pair in combinations(boxes, 2) if Bbox.intersection(*pair) is not None]
    inside = axes.get_window_extent().padded(1)
    assert all(inside.contains(box.x0, box.y0) and inside.contains(box.x1, box.y1) for box in boxes)


def test_a_run_without_winners_or_references_still_draws(run: RunData) -> None:
    bare = replace(run, winners=(), references=(), breakdowns=())
    assert set(run_figures(bare)) == {"pareto_latency", "pareto_macs"}


def test_files_are_png_and_svg_and_the_same_each_time(run: RunData, tmp_path: Path) -> None:
    small = replace(run, breakdowns=run.breakdowns[:2])
    first = {path.name: path.read_bytes() for path in write_figures(small, tmp_path / "a")}
    second = {path.name: path.read_bytes() for path in write_figures(small, tmp_path / "b")}
    assert set(first) == {f"{n}.{s}" for n in ("pareto_latency", "pareto_macs", "breakdown") for s in ("png", "svg")}
    assert first == second
    assert first["breakdown.png"].startswith(b"\x89PNG")
    assert b"<svg" in first["breakdown.svg"]


def test_a_winner_far_below_stands_on_the_edge_with_its_value(run: RunData) -> None:
    low = replace(run.winners[0], rank=9, value=20.0, low=0.0, high=40.0)
    info = pareto_info(replace(run, winners=(*run.winners, low)), "latency")
    axes = draw_pareto(info).axes[0]
    assert info.bottom > 50
    assert axes.get_ylim()[0] == info.bottom
    assert "9 (20.0 %)" in {text.get_text() for text in axes.texts}


def test_breakdown_names_stages_in_their_order(run: RunData) -> None:
    mixed = Breakdown(name="#1", parts=(("stage3", 3.0), ("head", 2.0), ("stage4", 1.0), ("stem", 1.0)))
    legend = draw_breakdown((mixed,)).legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["stem", "stage3", "stage4", "head"]
