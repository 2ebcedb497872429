"""Readers of option values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evit_nas.cli.options import parse_budget, parse_list, parse_resolution
from evit_nas.errors import InputError


@pytest.mark.parametrize(
    ("text", "budget_ms"),
    [
        ("200ms", 200.0),
        ("0.2s", 200.0),
        ("1.5 s", 1500.0),
        (" 60 MS ", 60.0),
        (".5ms", 0.5),
        ("2e2ms", 200.0),
        ("900us", 0.9),
    ],
)
def test_budget_with_unit(text: str, budget_ms: float) -> None:
    assert parse_budget(text) == pytest.approx(budget_ms)


def test_a_bare_number_is_told_which_units_there_are() -> None:
    with pytest.raises(InputError, match="no unit; write 200ms or 200s"):
        parse_budget("200")


@given(st.text(max_size=20))
def test_any_text_is_a_budget_above_zero_or_an_input_error(text: str) -> None:
    try:
        budget_ms = parse_budget(text)
    except InputError:
        return
    assert 0 < budget_ms < float("inf")


@pytest.mark.parametrize(("text", "size"), [("512x1024", (512, 1024)), ("32 X 64", (32, 64)), (None, None)])
def test_resolution(text: str | None, size: tuple[int, int] | None) -> None:
    assert parse_resolution(text) == size


@pytest.mark.parametrize("text", ["512", "512x", "x512", "512x-32", "512*1024", "1.5x2", "", "9999999x1"])
def test_not_a_resolution(text: str) -> None:
    with pytest.raises(InputError, match="height x width"):
        parse_resolution(text)


def test_list_keeps_order_and_drops_repeats() -> None:
    assert parse_list("--format", "onnx, TFLITE,onnx", ("tflite", "onnx", "pt")) == ("onnx", "tflite")


@pytest.mark.parametrize(("text", "part"), [("", "empty"), (",", "empty"), ("onx", "did you mean 'onnx'")])
def test_list_names_the_nearest(text: str, part: str) -> None:
    with pytest.raises(InputError, match=part):
        parse_list("--format", text, ("tflite", "onnx", "pt"))
