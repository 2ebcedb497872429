"""A queue of trainings fills its table, whatever interrupts it."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from filelock import FileLock

from evit_nas.accuracy.data import scenes
from evit_nas.accuracy.estimator.members import read_members
from evit_nas.errors import InputError
from evit_nas.space.arch import ArchConfig, SegHead, StageConfig, StemConfig
from evit_nas.space.yaml_io import arch_to_yaml
from evit_nas.workflows import train_queue
from evit_nas.workflows.measured_rows import FIXED, finished_jobs
from evit_nas.workflows.train_plan import PlannedTraining, read_plan, write_plan
from evit_nas.workflows.train_queue import run_queue

RECIPE = """schema: evit-nas/recipe-1
resolution: 32x32
epochs: 2
batch: 4
norm_images: 4
evaluate_every: 1
"""


@pytest.fixture(autouse=True)
def small(alone: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of its own, and few scenes."""
    monkeypatch.setattr(scenes, "SIZES", {"train": 8, "val": 2})


def training(job: str, seed: int = 0, **other: object) -> PlannedTraining:
    stated = {"tag": "t", "dataset": "scenes", "arch": "net.yaml", "recipe": "short.yaml", "epochs": 2} | other
    return PlannedTraining(job=job, resolution=(32, 64), seed=seed, **stated)


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    stages = (StageConfig(width=8), StageConfig(width=8), StageConfig(width=16), StageConfig(width=16))
    arch = ArchConfig(stem=StemConfig(width=8), stages=stages, head=SegHead(classes=19, width=8), head_dim=8)
    folder = tmp_path / "plan"
    folder.mkdir()
    (folder / "net.yaml").write_text(arch_to_yaml(arch))
    (folder / "short.yaml").write_text(RECIPE)
    write_plan(folder / "plan.csv", [training("a"), training("b", seed=1)])
    return folder / "plan.csv"


def rows(plan: Path) -> list[dict[str, str]]:
    with (plan.parent / "scenes.csv").open() as file:
        return list(csv.DictReader(file))


def test_every_job_gets_one_line_that_the_measured_source_reads(plan: Path, tmp_path: Path) -> None:
    result = run_queue(plan, roots={}, work=tmp_path / "work")
    assert result.finished == ("a", "b")
    assert (result.failed, result.left) == ({}, ())
    first, second = rows(plan)
    assert tuple(first)[: len(FIXED)] == FIXED
    assert (first["job"], second["job"], second["seed"]) == ("a", "b", "1")
    assert first["arch_hash"] == second["arch_hash"]
    assert first["recipe"] == second["recipe"] != ""
    assert first["miou"] == first["held_out_miou"]  # scenes have val alone
    assert first["curve"].startswith("1:")
    assert "iou road" in first
    (member,) = read_members(plan.parent / "scenes.csv").rows
    assert member.seeds == 2
    assert run_queue(plan, roots={}, work=tmp_path / "work").finished == ()


def test_an_interrupted_job_goes_on_and_gives_the_same_scores(
    plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_queue(plan, roots={}, work=tmp_path / "whole")
    expected = [row["miou"] for row in rows(plan)]
    (plan.parent / "scenes.csv").unlink()

    def interrupted(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train_queue, "evaluate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_queue(plan, roots={}, work=tmp_path / "cut")
    assert (tmp_path / "cut" / "a" / "state.safetensors").is_file()
    assert run_queue(plan, roots={}, work=tmp_path / "cut").finished == ("a", "b")
    assert [row["miou"] for row in rows(plan)] == expected
    assert not (tmp_path / "cut" / "a" / "state.safetensors").exists()


def test_a_job_in_other_hands_is_left_to_them(plan: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    with FileLock(work / "a.lock"):
        result = run_queue(plan, roots={}, work=work)
    assert (result.finished, result.left) == (("b",), ("a",))


def test_a_failed_job_is_told_and_the_others_go_on(plan: Path, tmp_path: Path) -> None:
    write_plan(plan, [training("bad", recipe="none.yaml"), training("good")])
    result = run_queue(plan, roots={}, work=tmp_path / "work")
    assert result.finished == ("good",)
    assert result.left == ("bad",)
    assert "no such recipe" in result.failed["bad"]


def test_no_job_is_begun_after_the_hours(plan: Path, tmp_path: Path) -> None:
    assert run_queue(plan, roots={}, work=tmp_path / "work", hours=0).left == ("a", "b")


def test_a_data_set_without_a_root_is_named_before_anything_starts(plan: Path, tmp_path: Path) -> None:
    write_plan(plan, [training("a"), training("far", dataset="camvid")])
    with pytest.raises(InputError, match="job far needs the data set camvid"):
        run_queue(plan, roots={}, work=tmp_path / "work")
    assert not (plan.parent / "scenes.csv").exists()


def test_plan_is_read_as_written(plan: Path) -> None:
    assert read_plan(plan) == [training("a"), training("b", seed=1)]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("job,tag", "tag,job", "has the columns job,tag,dataset"),
        ("\nb,", "\na,", "job 'a' stands there twice"),
        ("\nb,", "\n../b,", ":3: job '../b'; needs a name that can be that of a folder"),
        ("net.yaml", "gone.yaml", ":2: arch 'gone.yaml' is neither"),
        ("32x64", "33x64", ":2: resolution 33x64"),
        (",2,1\n", ",2,-1\n", ":3: seed '-1'; needs an integer"),
        (",2,1\n", ",0,1\n", ":3: epochs '0'; needs an integer"),
    ],
)
def test_bad_plans_are_one_line_errors(plan: Path, old: str, new: str, message: str) -> None:
    plan.write_text(plan.read_text().replace(old, new))
    with pytest.raises(InputError) as caught:
        read_plan(plan)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_table_is_refused(plan: Path) -> None:
    table = plan.parent / "scenes.csv"
    table.write_text("arch,miou\nb0,70\n")
    with pytest.raises(InputError, match="not a table of measured networks"):
        finished_jobs(table)
