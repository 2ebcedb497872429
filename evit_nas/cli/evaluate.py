"""`evit-nas evaluate`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evit_nas.cli import options, output, progress

if TYPE_CHECKING:
    from rich.console import RenderableType

    from evit_nas.workflows.training_results import EvaluateResult

NAME = "evaluate"


def command(
    arch: Annotated[str, typer.Argument(help="A checkpoint, a .tflite or .onnx file, or ARCH.", metavar="ARCH")],
    dataset: options.DatasetName,
    root: options.DatasetRoot = None,
    weights: Annotated[Path | None, typer.Option(help="Checkpoint of ARCH.", metavar="FILE")] = None,
    split: Annotated[
        str | None, typer.Option(help="By default test where it has labels, else val.", show_default=False)
    ] = None,
    resolution: options.ResolutionText = None,
    upsample: options.Upsample = None,
    scales: Annotated[
        str | None,
        typer.Option(help="Factors of the input size, averaged.", metavar="F,F,..", show_default=False),
    ] = None,
    flip: Annotated[bool, typer.Option("--flip", help="Average with the mirrored image.")] = False,
    sliding_window: Annotated[
        bool, typer.Option("--sliding-window", help="Windows of the input size over the image at its own size.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the figure of confusions.", metavar="DIR", show_default=False)
    ] = None,
    threads: options.Threads = 1,
    json: options.Json = False,
) -> None:
    """Score a network or a model file by the official protocol."""
    size = options.parse_resolution(resolution)
    factors = options.parse_numbers("--scales", scales) if scales is not None else None
    from evit_nas.workflows.evaluate import evaluate as run

    with progress.progress() as shown:
        result = run(
            arch=arch,
            dataset=dataset,
            root=root,
            weights=weights,
            split=split,
            resolution=size,
            upsample=upsample,
            scales=factors,
            flip=flip,
            sliding_window=sliding_window,
            out=out,
            threads=threads,
            progress=shown,
        )
    output.show(result, as_json=json, human=_human)


def _human(result: EvaluateResult) -> Iterator[RenderableType]:
    where = f"{result.images} {result.split} images of {result.dataset}, input {result.resolution}"
    yield from output.scores(result, where)
    for file in result.files:
        yield f"figure {file.absolute()}"
