"""The roofline as a figure."""

from __future__ import annotations

import pytest

from evit_nas.latency.ceilings import Ceilings
from evit_nas.report.roofline_figure import RooflinePoint, draw_roofline

POINTS = [
    RooflinePoint(
        kind=kind, macs_per_byte=intensity, predicted_gmac_per_s=30.0, measured_gmac_per_s=measured, time_share=0.2
    )
    for kind, intensity, measured in (("CONV_2D", 20.0, 28.0), ("CONV_2D", 50.0, None), ("DEPTHWISE_CONV_2D", 2.0, 9.0))
]
CEILINGS = Ceilings(gmac_per_s=60.0, cache_gb_per_s=80.0, memory_gb_per_s=12.0)


def test_every_kernel_and_every_ceiling_is_drawn() -> None:
    (axes,) = draw_roofline(POINTS, CEILINGS, title="b0").axes
    drawn = sum(len(collection.get_offsets()) for collection in axes.collections if hasattr(collection, "get_sizes"))
    assert drawn >= len(POINTS)
    assert {text.get_text() for text in axes.texts} == {"L2 cache, 80 GB/s", "memory, 12 GB/s", "peak, 60 GMAC/s"}
    for line in axes.lines:
        assert max(line.get_ydata()) <= CEILINGS.gmac_per_s


def test_without_ceilings_it_says_so() -> None:
    (axes,) = draw_roofline(POINTS, None, title="b0 on sm8450").axes
    assert "ceilings not measured: the device" in axes.get_title(loc="left")
    assert not axes.lines


@pytest.mark.parametrize("measured", [True, False])
def test_the_legend_names_what_is_drawn(measured: bool) -> None:
    figure = draw_roofline(POINTS[: 3 if measured else 0] or POINTS[1:2], CEILINGS, title="b0")
    labels = {text.get_text() for text in figure.legends[0].get_texts()}
    assert "predicted" in labels
    assert ("measured" in labels) == measured
