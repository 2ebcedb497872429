"""A run folder read back is the run that was written, and a damaged one names file, line and column."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from evit_nas.errors import InputError
from evit_nas.report.csv_files import write_rows
from evit_nas.report.run_data import Evaluated, RunData, read_run, write_run


def test_round_trip_keeps_every_digit(run: RunData, tmp_path: Path) -> None:
    write_run(tmp_path, run)
    back = read_run(tmp_path)
    assert back.manifest == run.manifest
    assert back.winners == run.winners
    assert back.references == run.references
    assert back.breakdowns == run.breakdowns
    for field in fields(Evaluated):
        np.testing.assert_array_equal(getattr(back.evaluated, field.name), getattr(run.evaluated, field.name))


def test_nothing_is_left_beside_the_files(run: RunData, tmp_path: Path) -> None:
    write_run(tmp_path, run)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"manifest.json", "pareto.csv", "evaluated.csv", "references.csv", "breakdown.csv"}


def test_a_folder_without_manifest_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not a run folder .* `evit-nas search`"):
        read_run(tmp_path)


def test_another_version_is_refused(run: RunData, tmp_path: Path) -> None:
    write_run(tmp_path, run)
    document = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(document | {"schema": 99}))
    with pytest.raises(InputError, match=r"version 99; this tool reads version 1"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": "zero"}, "seed: 'zero' is not of type"),
        ({"seed": True}, "seed: True is not of type"),
        ({"odd": 1}, "key 'odd' is unknown"),
        ({"budget_ms": 0}, "budget_ms: 0.0 is not above 0"),
        ({"budget_ms": float("nan")}, "budget_ms: not a finite number"),
        ({"seconds": 10**400}, "seconds: not a finite number"),
        ({"notes": [1]}, "notes: 1 is not of type"),
    ],
)
def test_a_wrong_manifest_names_the_key(run: RunData, tmp_path: Path, change: dict[str, object], message: str) -> None:
    write_run(tmp_path, run)
    document = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(document | change))
    with pytest.raises(InputError, match=re.escape(message)):
        read_run(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00", "[" * 100_000])
def test_a_damaged_manifest_is_one_line(run: RunData, tmp_path: Path, text: str) -> None:
    write_run(tmp_path, run)
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InputError, match=r"manifest\.json"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",75.5,", ",nan,", r"references\.csv:\d+: value 'nan' is not a finite number"),
        ("estimated,b0", "guessed,b0", r"references\.csv:\d+: kind 'guessed' is not one of published, estimated"),
        ("published,b1,896x1792", "published,b1", r"references\.csv:\d+: \d cells, the header has \d"),
        ("published,b1,896x1792,", f"published,b1,896x1792,{10**20}", r"references\.csv:\d+: macs '\d+' is not an int"),
        ("kind,name", "sort,name", r"references\.csv:2: no column 'kind'"),
    ],
)
def test_a_damaged_row_names_line_and_column(run: RunData, tmp_path: Path, old: str, new: str, message: str) -> None:
    write_run(tmp_path, run)
    path = tmp_path / "references.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        read_run(tmp_path)


def test_a_missing_file_is_named(run: RunData, tmp_path: Path) -> None:
    write_run(tmp_path, run)
    (tmp_path / "evaluated.csv").unlink()
    with pytest.raises(InputError, match=r"evaluated\.csv: missing"):
        read_run(tmp_path)


def test_winners_of_before_provenance_was_kept_were_measured(run: RunData, tmp_path: Path) -> None:
    timed = replace(run.winners[0], verified_ms=191.0, verified_low_ms=190.0, verified_high_ms=192.0)
    write_run(tmp_path, replace(run, winners=(timed, *run.winners[1:])))
    rows = list(csv.DictReader((tmp_path / "pareto.csv").read_text().splitlines()))
    for row in rows:
        del row["verified_provenance"]
    write_rows(tmp_path / "pareto.csv", rows)
    assert [winner.verified_provenance for winner in read_run(tmp_path).winners[:2]] == ["measured", ""]
