"""The figure of a phone's rounds: what counts, what was thrown away, and pauses between runs."""

from __future__ import annotations

import numpy as np
import pytest

from evit_nas.latency.profiler.devices.phone_rounds import RoundLine
from evit_nas.report.rounds_figure import draw_rounds


def line(uptime_s: float, mean_us: float = 2000.0, problem: str = "", **others: object) -> RoundLine:
    values: dict[str, object] = {
        "uptime_s": uptime_s, "model": "canary", "profiled": False, "mean_us": mean_us, "clock_khz": 2_900_000,
        "limit_khz": 2_995_200, "skin_c": 31.0, "cpu_c": 40.0, "problem": problem,
    }  # fmt: skip
    return RoundLine(**{**values, **others})  # type: ignore[arg-type]


def test_the_reference_model_over_its_usual_time() -> None:
    lines = [line(0), line(30), line(60, 2200.0, "thermal status 2"), line(90, 9000.0, model="network")]
    reference = draw_rounds(lines).axes[0]
    drawn = {str(shown.get_label()): shown for shown in reference.lines}
    assert drawn["counts"].get_xdata() == pytest.approx([0.0, 0.5])
    assert drawn["counts"].get_ydata() == pytest.approx([1.0, 1.0])
    assert drawn["does not count"].get_ydata() == pytest.approx([1.1])


def test_profiled_rounds_of_the_reference_model_are_not_its_time() -> None:
    lines = [line(0), line(30, 3000.0, profiled=True)]
    assert len(draw_rounds(lines).axes[0].lines[0].get_xdata()) == 1


def test_temperature_and_clock_of_every_round() -> None:
    lines = [line(0), line(60, skin_c=None), line(120, limit_khz=1_800_000, skin_c=44.0)]
    _, degrees, clock = draw_rounds(lines).axes
    assert np.array(degrees.lines[1].get_ydata()) == pytest.approx([31.0, np.nan, 44.0], nan_ok=True)
    assert clock.lines[0].get_ydata() == pytest.approx([2.9952, 2.9952, 1.8])


@pytest.mark.parametrize("later_s", [90_000.0, 5.0])
def test_a_later_run_and_a_phone_started_again_follow_after_a_gap(later_s: float) -> None:
    clock = draw_rounds([line(100), line(160), line(later_s)]).axes[2]
    assert clock.lines[0].get_xdata() == pytest.approx([0.0, 1.0, 2.0])
    assert [shown.get_xdata() for shown in clock.lines if shown.get_linestyle() == ":"] == [[1.5, 1.5]]


def test_the_title_says_what_went_wrong_most_often() -> None:
    hot = [line(60.0 * i, problem="thermal status 2") for i in range(1, 3)]
    assert "all of them count" in draw_rounds([line(0)]).get_suptitle()
    title = draw_rounds([line(0), *hot, line(300, problem="the clock is limited")]).get_suptitle()
    assert title == "4 rounds, 3 thrown away, most often: thermal status 2"
