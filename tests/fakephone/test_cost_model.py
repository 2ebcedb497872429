"""Cost models and faults from files: what is accepted, and one line on what is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evit_nas.errors import InputError
from evit_nas.fakephone.cost_model import GLOBALS, KINDS, cost_model_from, read_cost_model
from evit_nas.fakephone.faults import Fault, faults_from, read_faults

COST = {"fixed_us": 1, "per_mac_ns": 0.1, "per_byte_ns": 0.2}
WHOLE: dict[str, Any] = dict.fromkeys(KINDS, COST)


def test_globals_that_are_absent_have_no_effect() -> None:
    model = cost_model_from(WHOLE, "m")
    assert model.kernel_us("conv", 1000, 1000, alone=True) == pytest.approx(1 + 0.1 + 0.2)
    assert (model.noise_sd, model.channel_step, model.graph_us, model.throttle) == (0.0, 1, 0.0, None)


def test_every_global_is_read(tmp_path: Path) -> None:
    given = {
        "cache_bytes": 100, "cache_penalty": 2, "noise_sd": 0.02, "channel_step": 8, "cold": 1, "graph_us": 5,
        "throttle": {"after_s": 60, "factor": 0.5},
    }  # fmt: skip
    assert set(given) == set(GLOBALS)
    path = tmp_path / "cost.json"
    path.write_text(json.dumps({**WHOLE, **given}))
    model = read_cost_model(path)
    assert model.kernel_us("conv", 0, 1000, alone=True) == pytest.approx(1 + 1.0 * (2 * 0.2 + 1))
    assert model.throttle is not None
    assert model.throttle.factor == 2.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"conv": None}, "exactly fixed_us"),
        ({"conv": {**COST, "more": 1}}, "exactly fixed_us"),
        ({"convv": COST}, "did you mean 'conv'"),
        ({"noise_sd": "2%"}, "not a finite number"),
        ({"noise_sd": float("nan")}, "not a finite number"),
        ({"channel_step": 2.5}, "not a whole number"),
        ({"throttle": {"after_s": 5}}, "exactly after_s, factor"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        cost_model_from({**WHOLE, **change}, "m.json")


def test_a_kind_that_is_missing_is_named() -> None:
    with pytest.raises(InputError, match="no cost for resize"):
        cost_model_from({key: value for key, value in WHOLE.items() if key != "resize"}, "m.json")


def test_faults_are_read(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    path.write_text('[{"fault": "unplugged", "phase": "push", "after_s": 0.5, "for_s": 2}, {"fault": "hot"}]')
    unplugged, hot = read_faults(path)
    assert unplugged == Fault(fault="unplugged", phase="push", after_s=0.5, for_s=2.0)
    assert hot == Fault(fault="hot")


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"fault": "hot"}, "must be a JSON list"),
        ([{"phase": "run"}], 'an object with a "fault"'),
        ([{"fault": "hott"}], "did you mean 'hot'"),
        ([{"fault": "hot", "phase": "pull"}], "unknown phase 'pull'"),
        ([{"fault": "hot", "after_s": -1}], "not a time in seconds"),
        ([{"fault": "hot", "when": 1}], "unknown key 'when'"),
    ],
)
def test_bad_faults_are_named(document: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        faults_from(document, "f.json")
