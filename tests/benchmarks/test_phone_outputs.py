"""A few of the damages of benchmarks/phone_outputs.py; the script makes thousands."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st


@settings(max_examples=600, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_a_damaged_output_is_read_right_or_refused(seed: int) -> None:
    from phone_outputs import outputs, verdict

    found = outputs()
    name = sorted(found.keys() - {"seg.csv"})[seed % (len(found) - 1)]
    assert verdict(found[name], seed) in ("right", "refused"), name


def test_what_is_read_wrong_would_be_seen() -> None:
    from phone_outputs import facts, outputs, same

    output = outputs()["prof.out"]
    sound = facts("stdout", output.content)
    other = facts("stdout", outputs()["g_ref.out"].content)
    assert same(sound, sound, 1.0)
    assert not same(sound, other, 1.0)


def test_damages_change_something() -> None:
    from phone_outputs import damaged, outputs

    content = outputs()["prof.out"].content
    changed = sum(damaged(content, random.Random(seed)) != content for seed in range(200))
    assert changed > 180
