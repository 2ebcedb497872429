from __future__ import annotations

import pytest

from evit_nas.errors import InputError
from evit_nas.search.objective import parse_budget


@pytest.mark.parametrize(
    ("text", "budget_ms"),
    [("200ms", 200), ("0.2s", 200), ("200 ms", 200), ("900us", 0.9), ("1e3MS", 1000), (".5s", 500)],
)
def test_budgets_carry_their_unit(text: str, budget_ms: float) -> None:
    assert parse_budget(text) == pytest.approx(budget_ms)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("200", "no unit: write 200ms or 200s"),
        ("0ms", "above zero"),
        ("-5ms", "above zero"),
        ("1e999s", "finite"),
        ("5 minutes", "unknown unit 'minutes'"),
        ("fast", "not a time"),
        ("", "not a time"),
        ("nanms", "not a time"),
    ],
)
def test_other_budgets_are_refused_in_one_line(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_budget(text)
