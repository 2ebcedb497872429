"""Files of earlier versions can be resumed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evit_nas.accuracy.training import engine
from evit_nas.accuracy.training.state import EpochRow, restore_state, save_state
from evit_nas.errors import InputError
from evit_nas.model.checkpoint import CHECKSUM, content_digest
from evit_nas.model.formats import read_raw, safetensors_bytes


def test_a_request_without_what_came_later_is_the_same_one(tiny, job, tmp_path: Path) -> None:
    state, path = engine.start(tiny(), job()), tmp_path / "state.safetensors"
    save_state(path, state, json.dumps({"space": "s", "seed": 0, "init": None}))
    restore_state(path, state, json.dumps({"space": "s", "seed": 0, "largest_every": 1}))
    with pytest.raises(InputError, match=r"belongs to another training \(largest_every, seed\)"):
        restore_state(path, state, json.dumps({"space": "s", "seed": 1, "largest_every": 4}))


def test_a_history_with_the_old_name_of_the_score_is_read(tiny, job, tmp_path: Path) -> None:
    state, path = engine.start(tiny(), job()), tmp_path / "state.safetensors"
    row = EpochRow(epoch=1, step=4, learning_rate=0.1, loss=2.0, seconds=1.0, score=12.5)
    state.history.append(row)
    save_state(path, state, "{}")
    tensors, entries = read_raw(path)
    entries["history"] = entries["history"].replace('"score"', '"miou"')
    entries[CHECKSUM] = content_digest(tensors, entries)
    path.write_bytes(safetensors_bytes(tensors, entries))
    restore_state(path, state, "{}")
    assert state.history == [row]
