from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evit_nas.accuracy.estimator import sources
from evit_nas.accuracy.estimator.measured import MeasuredEstimator
from evit_nas.accuracy.estimator.members import read_members
from evit_nas.accuracy.estimator.sources import default_source, open_source
from evit_nas.errors import InputError
from evit_nas.space.arch import ArchConfig, named_arch
from evit_nas.space.yaml_io import arch_to_yaml


def _network(width: float, depth: int) -> ArchConfig:
    arch = named_arch("b0")
    stages = tuple(replace(s, width=int(s.width * width)) for s in arch.stages)
    last = replace(stages[3], blocks=stages[3].blocks[:1] * depth)
    return replace(arch, stages=(*stages[:3], last))


def _write(folder: Path, lines: list[str], header: str = "arch,resolution,miou,seed") -> Path:
    path = folder / "members.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    lines = []
    for i, (width, depth) in enumerate((w, d) for w in (1.0, 1.5, 2.0, 2.5) for d in (1, 2, 3)):
        (tmp_path / f"n{i}.yaml").write_text(arch_to_yaml(_network(width, depth)), encoding="utf-8")
        for seed in (0, 1):
            value = 50 + 6 * np.log(width) + 2 * np.log(depth) + rng.normal(0, 0.1)
            lines.append(f"n{i}.yaml,256x512,{value:.3f},{seed}")
    return _write(tmp_path, lines)


def test_measured_members_are_reproduced_and_the_trend_is_learnt(table: Path) -> None:
    estimator = MeasuredEstimator.from_csv(table)
    assert estimator.metric == "miou"
    assert estimator.loo_error < 0.6
    assert {"width", "depth"} <= estimator.evidence
    assert "resolution" not in estimator.evidence
    inside = estimator.estimate(_network(2.0, 2), (256, 512))
    assert inside.low <= 50 + 6 * np.log(2) + 2 * np.log(2) <= inside.high
    assert inside.value == pytest.approx(50 + 8 * np.log(2), abs=0.5)


def test_interval_widens_and_departures_appear_far_from_the_members(table: Path) -> None:
    estimator = MeasuredEstimator.from_csv(table)
    near, far = (estimator.estimate(arch, (256, 512)) for arch in (_network(1.5, 2), named_arch("b3")))
    assert far.high - far.low > 1.5 * (near.high - near.low)
    assert far.departures
    assert not near.departures


def test_open_source_reads_the_table_and_checks_the_task(table: Path) -> None:
    assert open_source(table, "seg").label.startswith("measured (members.csv")
    with pytest.raises(InputError, match="gives miou, the space is for cls"):
        open_source(table, "cls")


@pytest.mark.parametrize(
    ("header", "line", "message"),
    [
        ("arch,miou", "b0,70", "needs arch, resolution and miou or top1"),
        ("arch,resolution,miou,top1", "b0,256x512,70,70", "needs arch, resolution and miou or top1"),
        ("arch,resolution,miou", "b9,256x512,70", ":2: arch 'b9' is neither"),
        ("arch,resolution,miou", "b0,,70", ":2: no resolution"),
        ("arch,resolution,miou", "b0,250x512,70", ":2: resolution 250x512"),
        ("arch,resolution,miou", "b0,256x512,nan", ":2: miou 'nan'"),
        ("arch,resolution,miou", "b0,256x512,170", ":2: miou '170'"),
        ("arch,resolution,miou", "b0-cls,256x512,70", ":2: a cls network with miou; that needs top1"),
        ("arch,resolution,miou", "b0,256x512,70", "1 different networks"),
    ],
)
def test_bad_tables_are_one_line_errors(tmp_path: Path, header: str, line: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        MeasuredEstimator.from_csv(_write(tmp_path, [line], header))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_and_unknown_names(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        open_source(tmp_path / "none.csv", "seg")
    with pytest.raises(InputError, match="did you mean 'published-ade20k'"):
        open_source("published-ade", "seg")
    with pytest.raises(InputError, match="its default is published-cls"):
        open_source("published", "cls")
    assert open_source(default_source("cls"), "cls").metric == "top1"


def test_rows_of_other_recipes_do_not_mix(tmp_path: Path) -> None:
    names = ["b0", "b1", "b2", "b3"]
    lines = [f"{name},512x1024,{70 + i},0,long" for i, name in enumerate(names)]
    lines += [f"{name},512x1024,{50 + i},{seed},short" for i, name in enumerate(names[:3]) for seed in (0, 1)]
    members = read_members(_write(tmp_path, lines, "arch,resolution,miou,seed,recipe"))
    assert [member.value for member in members.rows] == [70, 71, 72, 73]


def test_eps_and_classes_make_no_other_network(tmp_path: Path) -> None:
    b0 = named_arch("b0")
    own = replace(b0, eps=1e-6, head=replace(b0.head, classes=7))
    (tmp_path / "own.yaml").write_text(arch_to_yaml(own), encoding="utf-8")
    members = read_members(_write(tmp_path, ["b0,512x1024,70,0", "own.yaml,512x1024,72,1"]))
    assert [(member.value, member.seeds) for member in members.rows] == [(71, 2)]


def test_named_measured_sources_say_where_none_ship(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources.resources, "files", lambda package: tmp_path / "evit_nas")
    with pytest.raises(InputError, match="'camvid': no measured networks ship yet"):
        open_source("camvid", "seg")
    with pytest.raises(InputError, match="no measured networks ship yet"):
        open_source("published+measured", "seg")


def test_another_input_than_the_only_measured_one_is_told(table: Path) -> None:
    estimator = MeasuredEstimator.from_csv(table)
    larger = estimator.estimate(_network(1.5, 2), (512, 1024))
    assert larger.departures == ("input 512x1024: all members were measured at 256x512",)
    assert larger.value == pytest.approx(estimator.estimate(_network(1.5, 2), (256, 512)).value)
