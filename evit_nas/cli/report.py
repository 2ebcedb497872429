"""`evit-nas report`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evit_nas.cli import options, output

if TYPE_CHECKING:
    from rich.console import RenderableType

    from evit_nas.workflows.results import ReportResult

NAME = "report"


def command(
    run: Annotated[Path, typer.Argument(help="Run folder of a search.", metavar="RUN")],
    json: options.Json = False,
) -> None:
    """Draw the figures and the page of a run again."""
    from evit_nas.workflows.report import report

    output.show(report(run=run), as_json=json, human=_human)


def _human(result: ReportResult) -> Iterator[RenderableType]:
    yield from (str(path.absolute()) for path in result.files)
