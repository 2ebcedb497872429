"""Readers of option values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evit_nas.cli.options import parse_budget, parse_list, parse_numbers, parse_resolution
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
        ("0.9 µs", 0.0009),
        ("1e3MS", 1000.0),
        (".5s", 500.0),
    ],
)
def test_budget_with_unit(text: str, budget_ms: float) -> None:
    assert parse_budget(text) == pytest.approx(budget_ms)


def test_a_bare_number_is_told_which_units_there_are() -> None:
    with pytest.raises(InputError, match="no unit; write 200ms or 200s"):
        parse_budget("200")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0ms", "above zero"),
        ("-5ms", "above zero"),
        ("1e999s", "finite"),
        ("5 minutes", "unknown unit 'minutes'"),
        ("fast", "not a time"),
        ("", "not a time"),
        ("nan", "not a time"),
        ("nanms", "not a time"),
        ("١ms", "not a time"),
    ],
)
def test_other_budgets_are_refused_in_one_line(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as error:
        parse_budget(text)
    assert "\n" not in str(error.value)


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


@pytest.mark.parametrize("text", ["33x64", "0x0", "99968x32", "٣٢x٣٢"])
def test_an_illegal_size_is_refused_before_anything_is_loaded(text: str) -> None:
    with pytest.raises(InputError, match="--resolution") as error:
        parse_resolution(text)
    assert "\n" not in str(error.value)


def test_list_keeps_order_and_drops_repeats() -> None:
    assert parse_list("--format", "onnx, TFLITE,onnx", ("tflite", "onnx", "pt")) == ("onnx", "tflite")


@pytest.mark.parametrize(("text", "part"), [("", "empty"), (",", "empty"), ("onx", "did you mean 'onnx'")])
def test_list_names_the_nearest(text: str, part: str) -> None:
    with pytest.raises(InputError, match=part):
        parse_list("--format", text, ("tflite", "onnx", "pt"))


def test_numbers_with_commas() -> None:
    assert parse_numbers("--scales", "0.75, 1,1.25") == (0.75, 1.0, 1.25)
    with pytest.raises(InputError, match="--scales '1;2': not numbers with commas between"):
        parse_numbers("--scales", "1;2")
