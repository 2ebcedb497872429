"""Progress where stderr is no terminal, and in one."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.progress import Progress as RichBar

from evit_nas.cli import progress as module
from evit_nas.cli.progress import Bar, Lines, progress


def test_lines_at_the_start_and_the_end_only_when_quick(capsys: pytest.CaptureFixture[str]) -> None:
    with progress() as shown:
        shown.start(3, "kernels")
        for _ in range(3):
            shown.advance()
        shown.note("done with it")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == ["kernels: 3 to do", "kernels: 3/3", "done with it"]


def test_lines_tell_the_time_left(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 5.0, 20.0])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    lines = Lines()
    lines.start(4, "kernels")
    lines.advance()
    lines.advance()
    assert capsys.readouterr().err.splitlines()[-1] == "kernels: 2/4, about 20 s left"


def test_bar_shows_the_work_at_hand_and_prints_notes_as_they_are() -> None:
    buffer = io.StringIO()
    with RichBar(console=Console(file=buffer, width=100)) as rich:
        bar = Bar(rich)
        bar.start(2, "first")
        bar.advance(2)
        bar.start(5, "second")
        bar.advance(1)
        bar.note("[red]as it is")
        first, second = rich.tasks
    assert (first.visible, first.completed) == (False, 2)
    assert (second.visible, second.completed) == (True, 1)
    assert "[red]as it is" in buffer.getvalue()
