"""`evit-nas profile`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evit_nas.cli import options, output
from evit_nas.cli.progress import progress

if TYPE_CHECKING:
    from rich.console import RenderableType

    from evit_nas.workflows.results import ProfileResult

NAME = "profile"


def command(
    device: options.Device,
    space: Annotated[str, typer.Option(help="Space whose kernels are timed.", metavar="SPACE")] = "efficientvit-seg",
    quick: Annotated[bool, typer.Option("--quick", help="A small plan, minutes instead of hours.")] = False,
    rows: Annotated[
        int | None,
        typer.Option(help="Only N new rows; a phone's are chosen, the rest carried over.", min=1, metavar="N"),
    ] = None,
    source: Annotated[
        str | None, typer.Option("--from", help="Device or table to carry over from.", metavar="D", show_default=False)
    ] = None,
    core: Annotated[str | None, typer.Option(help="Core or cluster to pin to.", metavar="C")] = None,
    benchmark_model: Annotated[
        Path | None, typer.Option(help="LiteRT's benchmark_model for a phone.", metavar="PATH")
    ] = None,
    threads: options.Threads = 1,
    seed: options.Seed = 0,
    tables: options.Tables = None,
    merge: options.Merge = False,
    json: options.Json = False,
) -> None:
    """Build or continue the latency table of a device, one kernel at a time."""
    from evit_nas.workflows.profile import profile as run

    with progress() as shown:
        result = run(
            device=device,
            space=space,
            quick=quick,
            rows=rows,
            source=source,
            core=core,
            benchmark_model=benchmark_model,
            tables=tables,
            merge=merge,
            threads=threads,
            seed=seed,
            progress=shown,
        )
    output.show(result, as_json=json, human=_human)


def _human(result: ProfileResult) -> Iterator[RenderableType]:
    yield f"table     {result.table.absolute()}"
    yield f"rows      {result.rows} ({result.rows_new} new, {result.seconds:.0f} s)"
    if result.transferred:
        yield f"carried   {result.transferred} of them from {result.transferred_from}"
    yield f"coverage  {result.coverage:.1%} of random members' time is measured or interpolated"
