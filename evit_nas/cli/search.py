"""`evit-nas search`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evit_nas.cli import options, output
from evit_nas.cli.progress import progress
from evit_nas.errors import Infeasible, InputError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from evit_nas.workflows.results import SearchResult

NAME = "search"


def command(
    budget: Annotated[
        str | None, typer.Option(help="Latency budget with its unit: 200ms, 0.2s.", metavar="TIME", show_default=False)
    ] = None,
    device: options.Device = "sm8450",
    space: Annotated[
        str, typer.Option(help="Search space: a name or a YAML file.", metavar="SPACE")
    ] = "efficientvit-seg",
    accuracy: Annotated[
        str | None, typer.Option(help="published, published+measured, idd-lite, a CSV or a supernet.", metavar="SOURCE")
    ] = None,
    trials: Annotated[int, typer.Option(help="Networks to evaluate.", min=1, metavar="N")] = 2000,
    seed: options.Seed = 0,
    storage: Annotated[
        str | None, typer.Option(help="Optuna storage; by default the study runs in memory.", metavar="URL")
    ] = None,
    resume: Annotated[Path | None, typer.Option(help="Run folder to go on with.", metavar="RUN")] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; by default reports/<name>.", metavar="DIR")] = None,
    lowering: options.Lowering = None,
    threads: options.Threads = 1,
    tables: options.Tables = None,
    merge: options.Merge = False,
    json: options.Json = False,
) -> None:
    """Search for the most accurate networks within a latency budget."""
    if budget is None and resume is None:
        raise InputError("--budget is missing: the latency that a network may take, for example --budget 200ms")
    budget_ms = None if budget is None else options.parse_budget(budget)
    from evit_nas.workflows.search import search as run

    try:
        with progress() as shown:
            result = run(
                budget_ms=budget_ms,
                device=device,
                space=space,
                accuracy=accuracy,
                trials=trials,
                seed=seed,
                storage=storage,
                resume=resume,
                out=out,
                tables=tables,
                merge=merge,
                lowering=lowering,
                threads=threads,
                progress=shown,
            )
    except Infeasible:
        if json:
            output.show(_nothing(), as_json=True, human=_human)
        raise
    output.show(result, as_json=json, human=_human)


def _nothing() -> SearchResult:
    """What `--json` prints beside exit 3, where no member of the space meets the budget."""
    from evit_nas.workflows.results import SearchResult

    return SearchResult(run=None, feasible=False, best=(), verified=False)


def _human(result: SearchResult) -> Iterator[RenderableType]:
    from evit_nas.report.manifest import metric_name

    metric = metric_name(result.best[0].metric) if result.best else ""
    rows = [
        (
            best.arch.stem,  # as on the page, which also lists those that missed the budget
            best.resolution,
            f"{best.value:.2f} ({best.low:.2f} to {best.high:.2f})",
            f"{best.latency_ms:.1f} ({best.latency_low_ms:.1f} to {best.latency_high_ms:.1f})",
            f"{best.macs / 1e9:.2f}",
            f"{best.params / 1e6:.2f}",
            best.verified,
        )
        for best in result.best
    ]
    columns = ("#", "input", f"{metric} % (90 %)", "latency ms (90 %)", "MACs G", "params M", "verified")
    yield output.table("", columns, rows, left=2)
    yield f"{result.evaluated} networks evaluated in {result.seconds:.1f} s; {result.verification}"
    yield from (f"note  {text}" for text in result.notes)
    if result.run is not None:
        yield f"run   {result.run.absolute()}"
    if result.page is not None:
        yield f"page  {result.page.absolute()}"
