"""`evit-nas measure`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from evit_nas.cli import options, output

if TYPE_CHECKING:
    from rich.console import RenderableType

    from evit_nas.workflows.results import MeasureResult

NAME = "measure"


def command(
    arch: Annotated[str, typer.Argument(help="As everywhere, or any .tflite file.", metavar="ARCH")],
    device: options.Device,
    resolution: options.ResolutionText = None,
    upsample: options.Upsample = None,
    lowering: options.Lowering = None,
    schedule: options.Schedule = "auto",
    threads: options.Threads = 1,
    json: options.Json = False,
) -> None:
    """Run a network on a device, end to end, and time it."""
    from evit_nas.workflows.measure import measure as run

    result = run(
        arch=arch,
        device=device,
        resolution=options.parse_resolution(resolution),
        upsample=upsample,
        lowering=lowering,
        schedule=schedule,
        threads=threads,
    )
    output.show(result, as_json=json, human=_human)


def _human(result: MeasureResult) -> Iterator[RenderableType]:
    yield (
        f"{result.latency_ms:.2f} ms  (95 % interval of the median {result.low_ms:.2f} to {result.high_ms:.2f} ms, "
        f"{result.runs} runs) on {result.device}, {result.threads} thread{'s' if result.threads > 1 else ''}, "
        f"lowering {result.lowering}, schedule {result.schedule}"
    )
    yield from (f"note  {text}" for text in result.notes)
