"""`evit-nas train`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evit_nas.cli import options, output, progress

if TYPE_CHECKING:
    from rich.console import RenderableType

    from evit_nas.workflows.training_results import TrainResult

NAME = "train"


def command(
    arch: Annotated[str, typer.Argument(help="b0..b3, b0-cls.. or a YAML file.", metavar="ARCH")],
    dataset: options.DatasetName,
    root: options.DatasetRoot = None,
    epochs: Annotated[int | None, typer.Option(help="Instead of the recipe's.", min=1, show_default=False)] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="By default the one that ships for the data set.", metavar="FILE")
    ] = None,
    resolution: options.ResolutionText = None,
    init: Annotated[
        Path | None,
        typer.Option(help="Checkpoint or supernet to start from, of any shape.", metavar="FILE", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the training; ./reports/train-...", metavar="DIR", show_default=False)
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training in --out.")] = False,
    seed: options.Seed = 0,
    threads: options.Threads = 1,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Event files in the folder (needs the package tensorboard).")
    ] = False,
    json: options.Json = False,
) -> None:
    """Train a network and score it on the validation images. Under torchrun, by several processes."""
    size = options.parse_resolution(resolution)
    from evit_nas.workflows.train import train as run

    with progress.progress() as shown:
        result = run(
            arch=arch,
            dataset=dataset,
            root=root,
            epochs=epochs,
            recipe=recipe,
            resolution=size,
            init=init,
            out=out,
            resume=resume,
            seed=seed,
            threads=threads,
            tensorboard=tensorboard,
            progress=shown,
        )
    if output.first_process():
        output.show(result, as_json=json, human=_human)


def _human(result: TrainResult) -> Iterator[RenderableType]:
    yield from output.scores(result, f"val of {result.dataset}, input {result.resolution}")
    yield f"checkpoint  {result.checkpoint.absolute()}"
