from __future__ import annotations

from pathlib import Path

import pytest

from evit_nas.accuracy.data.check import check_dataset


@pytest.fixture
def own(put, tmp_path: Path):
    """A sound data set of two classes, to be damaged by a test."""
    (tmp_path / "classes.txt").write_text("ground\nsky\n")
    for split in ("train", "val"):
        for name in ("a", "b"):
            put(f"images/{split}/{name}.png", 9, channels=3)
            put(f"masks/{split}/{name}.png", [[0, 0, 0, 1, 1, 1, 1, 255]] * 6)
    return put


def test_a_sound_data_set(own, tmp_path: Path) -> None:
    done = []
    report = check_dataset("folders", tmp_path, start=done.append, advance=lambda: done.append(1))
    assert report.problems == ()
    assert report.examples == {"train": 2, "val": 2}
    assert done == [4, 1, 1, 1, 1]
    assert report.class_shares == pytest.approx({"ground": 300 / 7, "sky": 400 / 7})


def test_every_fault_is_named_with_its_file(own, tmp_path: Path) -> None:
    own("masks/train/a.png", [[7, 9, 0, 0, 0, 0, 0, 0]] * 6)
    own("masks/train/b.png", 0, size=(5, 8))
    own("images/val/c.png", 9, channels=3)
    own("masks/val/d.png", 0)
    own("masks/val/a.png", 255)
    (tmp_path / "images/val/b.png").write_bytes(b"\x89PNG no image")
    problems = "\n".join(check_dataset("folders", tmp_path).problems)
    for file, what in (
        ("masks/train/a.png", "label ids out of range: 7, 9; valid: 0..1, 255"),
        ("masks/train/b.png", "differ in size (6x8 and 5x8)"),
        ("images/val/c.png", "no label for it"),
        ("masks/val/d.png", "no image for it"),
        ("images/val/a.png", "every pixel of its label is ignored"),
        ("images/val/b.png", "not an image that can be read"),
    ):
        assert any(file in line and what in line for line in problems.splitlines()), f"{file}: {what}\n{problems}"
    assert len(problems.splitlines()) == 6


@pytest.mark.parametrize("channels", [3, 4])
def test_a_coloured_label_is_refused(own, tmp_path: Path, channels: int) -> None:
    own("masks/val/a.png", 0, channels=channels)
    (problem,) = check_dataset("folders", tmp_path).problems
    assert "one channel of 8 bits" in problem


def test_a_truncated_image_is_refused(own, tmp_path: Path) -> None:
    path = own("images/val/a.png", [[[i, 3 * i, 3] for i in range(64)]] * 64, size=(64, 64), channels=3)
    path.write_bytes(path.read_bytes()[:-60])
    assert any("images/val/a.png" in problem for problem in check_dataset("folders", tmp_path).problems)
