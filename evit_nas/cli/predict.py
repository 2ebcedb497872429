"""`evit-nas predict`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evit_nas.cli import options, output

if TYPE_CHECKING:
    from rich.console import RenderableType

    from evit_nas.workflows.result_parts import KernelTime
    from evit_nas.workflows.results import PredictResult

NAME = "predict"
_KERNELS_SHOWN = 12


def command(
    arch: Annotated[str, typer.Argument(help="As everywhere, or any .tflite file.", metavar="ARCH")],
    device: options.Device = "sm8450",
    resolution: options.ResolutionText = None,
    breakdown: Annotated[bool, typer.Option("--breakdown", help="Where the time goes.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="A kernel that was not measured is an error.")] = False,
    upsample: options.Upsample = None,
    lowering: options.Lowering = None,
    schedule: options.Schedule = "plain",
    threads: options.Threads = 1,
    tables: options.Tables = None,
    merge: options.Merge = False,
    figure: Annotated[
        Path | None,
        typer.Option(help="Folder for figures of the breakdown; on this machine the network is run for them."),
    ] = None,
    json: options.Json = False,
) -> None:
    """Predicted latency of a network on a device, with its interval and what it rests on."""
    from evit_nas.workflows.predict import predict as run

    result = run(
        arch=arch,
        device=device,
        resolution=options.parse_resolution(resolution),
        breakdown=breakdown,
        strict=strict,
        upsample=upsample,
        lowering=lowering,
        threads=threads,
        tables=tables,
        merge=merge,
        schedule=schedule,
        figure=figure,
    )
    output.show(result, as_json=json, human=_human)


def _human(result: PredictResult) -> Iterator[RenderableType]:
    yield (
        f"{result.latency_ms:.2f} ms  (90 % interval {result.low_ms:.2f} to {result.high_ms:.2f} ms) "
        f"on {result.device}, {result.threads} thread{'s' if result.threads > 1 else ''}, lowering {result.lowering}"
    )
    shares = ", ".join(f"{name} {share:.0%}" for name, share in result.shares.items())
    yield f"provenance  {result.provenance} ({shares})"
    cover = result.coverage
    yield (
        f"coverage    measured {cover.measured:.0%}, interpolated {cover.interpolated:.0%}, "
        f"extrapolated {cover.extrapolated:.0%} of the time"
    )
    yield f"table       {result.table.absolute()}"
    yield from (f"note        {text}" for text in result.notes)
    if result.breakdown is not None:
        rows = [(s.stage, s.block, s.kernels, f"{s.latency_ms:.2f}", f"{s.share:.1%}") for s in result.breakdown]
        yield output.table("", ("stage", "block", "kernels", "ms", "share"), rows, left=2)
    if result.breakdown_kinds is not None:
        kinds = [(k.kind, k.kernels, f"{k.latency_ms:.2f}", f"{k.share:.1%}") for k in result.breakdown_kinds]
        yield output.table("", ("kind", "kernels", "ms", "share"), kinds)
    if result.breakdown_kernels is not None:
        yield from _slowest(result.breakdown_kernels)
    yield from (f"figure      {path.absolute()}" for path in result.figures or ())


def _slowest(kernels: Sequence[KernelTime]) -> Iterator[RenderableType]:
    """The slowest kernels; all of them are in the JSON."""
    shown = sorted(kernels, key=lambda kernel: -kernel.latency_ms)[:_KERNELS_SHOWN]
    measured = kernels[0].measured_ms is not None if kernels else False
    rows = [
        (
            k.stage,
            k.kind,
            k.shapes,
            f"{k.latency_ms:.2f}",
            *([f"{k.measured_ms:.2f}"] if measured else []),
            f"{k.share:.1%}",
        )
        for k in shown
    ]
    columns = ("stage", f"slowest {len(shown)} of {len(kernels)} kernels", "shapes", "ms")
    yield output.table("", (*columns, *(["measured ms"] if measured else []), "share"), rows, left=3)
