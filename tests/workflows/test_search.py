"""A search from the budget to the page, on the table that ships."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

import evit_nas
from evit_nas.errors import Infeasible, InputError
from evit_nas.report.run_data import read_run
from evit_nas.space.yaml_io import arch_from_yaml
from evit_nas.workflows.search_request import new_request, request_of

TRIALS = 150


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    run = tmp_path_factory.mktemp("search") / "run"
    return run, evit_nas.search(budget_ms=200, trials=TRIALS, seed=3, out=run)


def test_winners_hold_the_budget_and_stand_as_files(finished):
    run, result = finished
    assert result.feasible
    assert result.evaluated == TRIALS
    assert result.best
    values = [best.low for best in result.best]
    assert values == sorted(values, reverse=True)
    for best in result.best:
        assert best.latency_ms <= 200
        assert best.metric == "miou"
        assert best.miou == best.value
        arch, resolution = arch_from_yaml(best.arch.read_text(), str(best.arch))
        again = evit_nas.predict(arch, resolution=resolution)
        assert again.latency_ms == pytest.approx(best.latency_ms, rel=1e-6)
    assert result.page == run / "report.html"


def test_a_device_that_is_not_at_hand_is_said_to_be_so(finished):
    _, result = finished
    assert not result.verified
    assert result.verification.startswith("not verified: sm8450: no phone of this chip is attached; connect one")
    assert all(best.verified == "not verified: no phone of this chip is attached" for best in result.best)
    assert all((best.verified_ms, best.verified_provenance) == (None, "") for best in result.best)


def test_the_run_folder_reads_back(finished):
    run, result = finished
    data = read_run(run)
    assert len(data.evaluated.value) == TRIALS
    assert data.manifest.budget_ms == 200
    assert data.manifest.seed == 3
    assert len(data.manifest.table_hash) == 16
    assert len({tuple(row) for row in data.evaluated.codes.tolist()}) == TRIALS, "an architecture was evaluated twice"
    published = {r.name: r.latency_ms for r in data.references if r.kind == "published" and r.latency_ms}
    assert published["b0"] == 200.0
    assert len(evit_nas.report(run).files) >= 5
    assert len(result.best) == len([winner for winner in data.winners if not winner.missed_budget])


def test_same_seed_same_front(finished, tmp_path):
    run, _ = finished
    evit_nas.search(budget_ms=200, trials=TRIALS, seed=3, out=tmp_path / "again")
    one, two = read_run(run).evaluated, read_run(tmp_path / "again").evaluated
    assert np.array_equal(one.codes, two.codes)
    assert np.array_equal(one.latency_ms, two.latency_ms)


@pytest.mark.parametrize("kept_lines", [1, 2, 3])
def test_an_interrupted_search_goes_on_to_the_same_end(finished, tmp_path, kept_lines):
    run, _ = finished
    cut = tmp_path / "cut"
    cut.mkdir()
    lines = (run / "generations.jsonl").read_bytes().splitlines(keepends=True)
    (cut / "generations.jsonl").write_bytes(b"".join(lines[:kept_lines]) + lines[kept_lines][:100])
    evit_nas.search(resume=cut)
    assert np.array_equal(read_run(run).evaluated.codes, read_run(cut).evaluated.codes)


def test_a_changed_journal_is_refused(finished, tmp_path):
    run, _ = finished
    shutil.copy(run / "generations.jsonl", tmp_path / "generations.jsonl")
    text = (tmp_path / "generations.jsonl").read_text()
    (tmp_path / "generations.jsonl").write_text(text.replace('"generation":0', '"generation":1', 1))
    with pytest.raises(InputError, match=r"generations\.jsonl"):
        evit_nas.search(resume=tmp_path)


def test_an_impossible_budget_leaves_nothing_behind(tmp_path):
    with pytest.raises(Infeasible, match="fastest member"):
        evit_nas.search(budget_ms=1, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_folder_is_not_overwritten(finished):
    run, _ = finished
    before = (run / "generations.jsonl").read_bytes()
    with pytest.raises(InputError, match="resume"):
        evit_nas.search(budget_ms=200, trials=10, out=run)
    assert (run / "generations.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"budget_ms": None}, "budget"),
        ({"budget_ms": float("nan")}, "budget"),
        ({"budget_ms": -5.0}, "budget"),
        ({"budget_ms": 200, "space": "efficientvit-sag"}, "efficientvit-seg"),
        ({"budget_ms": 200, "accuracy": "publishd"}, "published"),
        ({"budget_ms": 200, "space": "efficientvit-cls", "accuracy": "published"}, "published-cls"),
        ({"budget_ms": 200, "trials": 0}, "trials"),
        ({"budget_ms": 200, "threads": 0}, "threads"),
        ({"budget_ms": 200, "seed": -1}, "seed"),
        ({"budget_ms": 200, "seed": 2**32}, "seed"),
        ({"budget_ms": 200, "storage": "nope://x"}, "storage nope://x: cannot be opened"),
    ],
)
def test_bad_input_is_one_line(options, words, tmp_path):
    with pytest.raises(InputError, match=words) as caught:
        evit_nas.search(**options, out=tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"trials": "x"}, "trials 'x': must be of type int"),
        ({"budget_ms": None}, "budget_ms None: must be of type float"),
        ({"tables": 7}, "tables 7: must be of type str"),
        ({"seed": -1}, "--seed -1: must be from 0"),
        ({"colour": "red"}, "another version"),
    ],
)
def test_the_header_of_a_run_folder_is_checked_like_any_input(changes, words):
    header = new_request(
        budget_ms=200,
        device="sm8450",
        space="efficientvit-seg",
        accuracy=None,
        trials=10,
        seed=0,
        lowering=None,
        threads=1,
        tables=None,
        merge=False,
        storage=None,
    ).header("0" * 16)
    assert request_of(header, "run").trials == 10
    with pytest.raises(InputError, match=words) as caught:
        request_of(header | changes, "run")
    assert str(caught.value).startswith("run: ")


def test_classification_counts_top1(tmp_path):
    result = evit_nas.search(budget_ms=40, space="efficientvit-cls", trials=60, out=tmp_path / "run")
    assert result.best[0].metric == "top1"
    assert "miou" not in result.to_json()["best"][0]
    json.dumps(result.to_json(), allow_nan=False)
