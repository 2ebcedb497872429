from __future__ import annotations

import pytest

from evit_nas.errors import TableError
from evit_nas.latency.predictor.coverage import Ranges
from evit_nas.latency.predictor.features import Axes


def kernel(pixels: float, cin: float, variant: str = "fused_activation=NONE") -> Axes:
    return Axes("CONV_2D 1x1", variant, (("pixels", pixels), ("cin", cin)))


RANGES = Ranges.of([kernel(100, 8), kernel(1000, 64)])


@pytest.mark.parametrize(
    ("asked", "held"),
    [
        (kernel(500, 30), True),
        (kernel(100, 64), True),
        (kernel(99, 30), False),
        (kernel(500, 65), False),
        (kernel(500, 30, "fused_activation=RELU"), False),
        (Axes("ADD", "", (("read", 5.0),)), False),
    ],
)
def test_inside_means_every_axis(asked: Axes, held: bool) -> None:
    assert RANGES.holds(asked) is held


def test_it_survives_json() -> None:
    again = Ranges.parse(RANGES.document(), "table.json")
    assert again.holds(kernel(500, 30))
    assert not again.holds(kernel(500, 65))


@pytest.mark.parametrize("damaged", [None, [1], {"a": {"b": [1]}}, {"a": {"b": ["x", 2]}}])
def test_damage_is_an_error(damaged: object) -> None:
    with pytest.raises(TableError, match="ranges"):
        Ranges.parse(damaged, "table.json")
