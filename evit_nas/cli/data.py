"""`evit-nas data` and the command under it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from evit_nas.cli import options, output, progress
from evit_nas.errors import InputError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from evit_nas.workflows.training_results import DataCheckResult

NAME = "data"
app = typer.Typer(help="Work on data sets.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Work on data sets."""


@app.command("check")
def check(dataset: options.DatasetName, root: options.DatasetRoot = None, json: options.Json = False) -> None:
    """Read every image and label and say what is wrong, by file."""
    from evit_nas.workflows.data import data_check

    with progress.progress() as shown:
        result = data_check(dataset=dataset, root=root, progress=shown)
    output.show(result, as_json=json, human=_human)
    if not result.valid:
        raise InputError(f"data set {dataset}: {len(result.problems)} problems; the first: {result.problems[0]}")


def _human(result: DataCheckResult) -> Iterator[RenderableType]:
    yield output.table("", ("split", "images"), list(result.examples.items()))
    rows = [(name, f"{share:.2f}") for name, share in result.class_shares.items()]
    yield output.table("", ("class", "% of train"), rows)
    yield from result.problems
