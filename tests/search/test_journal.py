from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evit_nas.errors import InputError
from evit_nas.search.journal import Journal, read_generations
from evit_nas.search.study import Generation, run_study
from evit_nas.space.space import SearchSpace


@pytest.fixture
def generations(space: SearchSpace, surrogate) -> list[Generation]:
    kept: list[Generation] = []
    run_study(space, surrogate, budget_ms=30, trials=60, population=20, on_generation=kept.append)
    return kept


@pytest.fixture
def path(tmp_path: Path, generations: list[Generation]) -> Path:
    path = tmp_path / "generations.jsonl"
    with Journal.create(path, {"seed": 0}) as journal:
        for generation in generations:
            journal.append(generation)
    return path


def test_what_was_appended_is_read_back_exactly(path: Path, generations: list[Generation]) -> None:
    content = read_generations(path)
    assert content.header == {"seed": 0}
    for read, written in zip(content.generations, generations, strict=True):
        assert np.array_equal(read.rows, written.rows)
        assert read.rows.dtype == np.int32
        assert read.scores.macs.dtype == np.int64
        assert np.array_equal(read.scores.latency_ms, written.scores.latency_ms)


def test_every_generation_is_whole_on_disk_when_append_returns(tmp_path: Path, generations: list[Generation]) -> None:
    journal = Journal.create(tmp_path / "j", {})
    for count, generation in enumerate(generations, start=1):
        journal.append(generation)
        assert len(read_generations(tmp_path / "j").generations) == count


def test_a_cut_last_line_is_dropped_and_overwritten(path: Path, generations: list[Generation]) -> None:
    data = path.read_bytes()
    start_of_last = data[:-1].rindex(b"\n") + 1
    for end in (start_of_last, start_of_last + 1, start_of_last + 40, len(data) - 1):
        path.write_bytes(data[:end])
        journal, content = Journal.resume(path)
        assert len(content.generations) == len(generations) - 1
        with journal:
            journal.append(generations[-1])
        assert path.read_bytes() == data


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_changed_byte_is_never_read_in_silence(path: Path, data: st.DataObject) -> None:
    original = path.read_bytes()
    position = data.draw(st.integers(0, len(original) - 2))
    byte = data.draw(st.integers(0, 255).filter(lambda b: b != original[position]))
    damaged = path.with_suffix(".damaged")
    damaged.write_bytes(original[:position] + bytes([byte]) + original[position + 1 :])
    with pytest.raises(InputError) as caught:
        read_generations(damaged)
    assert "\n" not in str(caught.value)


def test_missing_empty_foreign_and_existing_files(tmp_path: Path, path: Path) -> None:
    with pytest.raises(InputError, match="no journal"):
        read_generations(tmp_path / "none")
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(InputError, match="no finished line"):
        read_generations(tmp_path / "empty")
    (tmp_path / "foreign").write_text("hello\n")
    with pytest.raises(InputError, match="foreign:1: damaged line"):
        read_generations(tmp_path / "foreign")
    with pytest.raises(InputError, match="was recorded here"):
        Journal.create(path, {})
    with pytest.raises(InputError, match="cannot be written"):
        Journal.create(tmp_path / "no" / "folder", {})


def test_another_version_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evit_nas.search.journal.JOURNAL_SCHEMA", "evit-nas/generations-0")
    Journal.create(tmp_path / "old", {}).close()
    monkeypatch.undo()
    with pytest.raises(InputError, match="this version reads 'evit-nas/generations-1'"):
        read_generations(tmp_path / "old")
