"""`evit-nas data check`: what is wrong with a data set."""

from __future__ import annotations

from pathlib import Path

from evit_nas.workflows.progress import Progress, Silent
from evit_nas.workflows.training_results import DataCheckResult


def data_check(*, dataset: str, root: Path | None = None, progress: Progress | None = None) -> DataCheckResult:
    """Read every file of the data set once; `problems` has one line for each that is wrong."""
    from evit_nas.accuracy.data.check import check_dataset

    shown = progress or Silent()
    report = check_dataset(
        dataset, root, start=lambda total: shown.start(total, f"checking {dataset}, images"), advance=shown.advance
    )
    return DataCheckResult(
        dataset=dataset,
        valid=not report.problems,
        examples=report.examples,
        class_shares=report.class_shares,
        problems=report.problems,
    )
