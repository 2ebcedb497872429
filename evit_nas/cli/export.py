"""`evit-nas export`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from evit_nas.cli import options, output

if TYPE_CHECKING:
    from rich.console import RenderableType

    from evit_nas.workflows.results import ExportResult

NAME = "export"
FORMATS = ("tflite", "onnx", "pt")


def command(
    arch: options.Arch,
    out: Annotated[Path, typer.Option(help="Folder of the model files.", metavar="DIR")],
    formats: Annotated[str, typer.Option("--format", help="Any of the three.", metavar="LIST")] = "tflite,onnx,pt",
    weights: Annotated[
        Path | None,
        typer.Option(help="Checkpoint; without it seeded random weights.", metavar="FILE"),
    ] = None,
    resolution: options.ResolutionText = None,
    upsample: options.Upsample = None,
    converter: Annotated[
        Literal["direct", "litert-torch"], typer.Option(help="Our writer, or the upstream module by litert-torch.")
    ] = "direct",
    schedule: options.Schedule = "auto",
    output_kind: Annotated[
        Literal["logits", "resized", "argmax"], typer.Option("--output", help="Logits at the head's stride, or more.")
    ] = "logits",
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Write model files and check each against torch on the same input."""
    chosen = options.parse_list("--format", formats, FORMATS)
    from evit_nas.workflows.export import export as run

    result = run(
        arch=arch,
        formats=chosen,
        weights=weights,
        resolution=options.parse_resolution(resolution),
        upsample=upsample,
        converter=converter,
        schedule=schedule,
        output=output_kind,
        out=out,
        seed=seed,
    )
    output.show(result, as_json=json, human=_human)


def _human(result: ExportResult) -> Iterator[RenderableType]:
    rows = [(name, str(path.absolute()), *_errors(result, name)) for name, path in result.files.items()]
    yield output.table("", ("format", "file", "max abs error", "max rel error"), rows, left=2)
    yield (
        f"weights {result.weights}, input {result.resolution}, converter {result.converter}, schedule {result.schedule}"
    )
    yield from (f"note  {text}" for text in result.notes)


def _errors(result: ExportResult, name: str) -> tuple[str, str]:
    if name not in result.parity:
        return "", ""
    parity = result.parity[name]
    return f"{parity.max_abs_error:.2e}", f"{parity.max_rel_error:.2e}"
