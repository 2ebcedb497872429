"""`evit-nas report RUN`: the figures and the page of a run folder, drawn again."""

from __future__ import annotations

from pathlib import Path

from evit_nas.errors import InputError
from evit_nas.workflows.results import ReportResult


def report(run: Path) -> ReportResult:
    """Redraw from the files of the run folder alone."""
    from evit_nas.report.html import write_report
    from evit_nas.report.run_data import read_run

    if not run.is_dir():
        raise InputError(f"{run}: no such run folder; `evit-nas search` makes one under ./reports")
    return ReportResult(files=write_report(read_run(run), run))
