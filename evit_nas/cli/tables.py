"""`evit-nas tables` and the commands under it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evit_nas.cli import options, output
from evit_nas.errors import CheckFailed

if TYPE_CHECKING:
    from rich.console import RenderableType

    from evit_nas.workflows.results import (
        CalibrateResult,
        TablesDiffResult,
        TablesMergeResult,
        TablesResult,
        TablesValidateResult,
    )

NAME = "tables"
_CHANGES_SHOWN = 20

app = typer.Typer(help="The latency tables at hand, and work on them.", invoke_without_command=True)
TableFile = Annotated[Path, typer.Argument(help="Table file (.csv).")]


@app.callback()
def listing(
    context: typer.Context,
    tables: options.Tables = None,
    json: options.Json = False,
) -> None:
    """The latency tables at hand, and work on them."""
    if context.invoked_subcommand is not None:
        return
    from evit_nas.workflows.tables import tables as run

    output.show(run(tables=tables), as_json=json, human=_listing)


@app.command("diff")
def diff(a: TableFile, b: TableFile, json: options.Json = False) -> None:
    """What changed from table A to table B."""
    from evit_nas.workflows.tables import tables_diff

    output.show(tables_diff(a=a, b=b), as_json=json, human=_diff)


@app.command("validate")
def validate(
    paths: Annotated[list[Path] | None, typer.Argument(help="Tables or folders; by default all at hand.")] = None,
    json: options.Json = False,
) -> None:
    """Check tables: readable, whole, checksums right."""
    from evit_nas.workflows.tables import tables_validate

    result = tables_validate(paths=tuple(paths or ()))
    output.show(result, as_json=json, human=_validate)
    if not result.valid:
        bad = [check for check in result.tables if check.problem]
        raise CheckFailed(f"{len(bad)} of {len(result.tables)} tables damaged; the first: {bad[0].problem}")


@app.command("merge")
def merge_tables(
    a: TableFile,
    b: TableFile,
    out: Annotated[Path, typer.Option(help="Table file to write.", metavar="FILE")],
    json: options.Json = False,
) -> None:
    """Put two tables of the same conditions together."""
    from evit_nas.workflows.tables import tables_merge

    output.show(tables_merge(a=a, b=b, out=out), as_json=json, human=_merge)


@app.command("calibrate")
def calibrate(
    device: Annotated[str, typer.Option(help="Name of the device that the times are of.", metavar="NAME")],
    rows: Annotated[Path, typer.Option(help="Columns: arch or .tflite, resolution, threads, core, ms.", metavar="CSV")],
    tables: options.Tables = None,
    json: options.Json = False,
) -> None:
    """A table from whole-network times alone."""
    from evit_nas.workflows.tables import tables_calibrate

    output.show(tables_calibrate(device=device, rows=rows, out=tables), as_json=json, human=_calibrate)


def _listing(result: TablesResult) -> Iterator[RenderableType]:
    columns = ("device", "conditions", "provenance", "lowering", "rows", "measured", "source")
    rows = [
        (
            t.device,
            f"{t.runtime}-{t.delegate}-{t.core}-t{t.threads}-{t.dtype}",
            t.provenance,
            t.lowering,
            str(t.rows),
            (t.measured_at or "")[:10],
            t.source,
        )
        for t in result.tables
    ]
    yield output.table("", columns, rows, left=7)


def _diff(result: TablesDiffResult) -> Iterator[RenderableType]:
    yield f"A  {result.a.absolute()}"
    yield f"B  {result.b.absolute()}"
    ratio = "" if result.median_ratio is None else f", median of B over A {result.median_ratio:.3f}"
    yield f"{result.shared} kernels in both{ratio}; only in A {result.only_a}, only in B {result.only_b}"
    if result.drift:
        yield "most kernels moved the same way: the machine changed, not single kernels"
    rows = [(c.signature, f"{c.a_us:.1f}", f"{c.b_us:.1f}", f"{c.ratio:.3f}") for c in result.changes[:_CHANGES_SHOWN]]
    if rows:
        yield output.table("", ("kernel", "A us", "B us", "B / A"), rows)


def _validate(result: TablesValidateResult) -> Iterator[RenderableType]:
    rows = [
        (str(check.path.absolute()), check.problem or "sound", check.rows, check.inversions) for check in result.tables
    ]
    yield output.table("", ("table", "state", "rows", "inversions"), rows, left=2)
    for check in result.tables:
        yield from check.worst_inversions


def _merge(result: TablesMergeResult) -> Iterator[RenderableType]:
    yield f"table  {result.table.absolute()}"
    yield f"rows   {result.rows} ({result.from_a} from A, {result.from_b} from B)"


def _calibrate(result: CalibrateResult) -> Iterator[RenderableType]:
    rows = [(n.name, f"{n.measured_ms:.1f}", f"{n.left_out_ms:.1f}") for n in result.networks]
    yield output.table("", ("network", "measured ms", "left out ms"), rows)
    yield f"mean absolute error {result.in_sample_mape:.2f} % in sample, {result.loo_mape:.2f} % leave one out"
    yield f"table  {result.table.absolute()}"
