"""`evit-nas supernet` and the commands under it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evit_nas.cli import options, output, progress

if TYPE_CHECKING:
    from rich.console import RenderableType

    from evit_nas.workflows.training_results import (
        EvaluateResult,
        SupernetExtractResult,
        SupernetScoreResult,
        SupernetTrainResult,
    )

NAME = "supernet"
app = typer.Typer(help="Train one set of weights for a whole space, and take members out of it.", no_args_is_help=True)

Checkpoint = Annotated[Path, typer.Argument(help="File of a supernet.", metavar="CHECKPOINT")]
Member = Annotated[str, typer.Argument(help="b0..b3 or a YAML file.", metavar="ARCH")]
Recipe = Annotated[Path | None, typer.Option(help="By default the one that ships for the data set.", metavar="FILE")]


@app.callback()
def _group() -> None:
    """Train one set of weights for a whole space, and take members out of it."""


@app.command("train")
def train(
    space: Annotated[str, typer.Argument(help="A space of one head dim, or its YAML file.", metavar="SPACE")],
    dataset: options.DatasetName,
    root: options.DatasetRoot = None,
    epochs: Annotated[int | None, typer.Option(help="Instead of the recipe's.", min=1, show_default=False)] = None,
    recipe: Recipe = None,
    resolution: options.ResolutionText = None,
    init: Annotated[Path | None, typer.Option(help="Weights to start from, of any shape.", metavar="FILE")] = None,
    largest_every: Annotated[int, typer.Option(help="Train the largest in one of N steps.", min=1, metavar="N")] = 1,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the training; ./reports/supernet-...", metavar="DIR", show_default=False),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training in --out.")] = False,
    seed: options.Seed = 0,
    threads: options.Threads = 1,
    json: options.Json = False,
) -> None:
    """Train a supernet: the largest, the smallest and two random members in each step."""
    size = options.parse_resolution(resolution)
    from evit_nas.workflows.supernet import supernet_train

    with progress.progress() as shown:
        result = supernet_train(
            space=space,
            dataset=dataset,
            root=root,
            epochs=epochs,
            recipe=recipe,
            resolution=size,
            init=init,
            largest_every=largest_every,
            out=out,
            resume=resume,
            seed=seed,
            threads=threads,
            progress=shown,
        )
    if output.first_process():
        output.show(result, as_json=json, human=_trained)


@app.command("evaluate")
def evaluate(
    checkpoint: Checkpoint,
    arch: Member,
    dataset: options.DatasetName,
    root: options.DatasetRoot = None,
    recipe: Recipe = None,
    split: Annotated[
        str | None, typer.Option(help="By default test where it has labels, else val.", show_default=False)
    ] = None,
    resolution: options.ResolutionText = None,
    seed: options.Seed = 0,
    threads: options.Threads = 1,
    json: options.Json = False,
) -> None:
    """Score a member, its BatchNorm statistics estimated from training images."""
    size = options.parse_resolution(resolution)
    from evit_nas.workflows.supernet import supernet_evaluate

    with progress.progress() as shown:
        result = supernet_evaluate(
            checkpoint=checkpoint,
            arch=arch,
            dataset=dataset,
            root=root,
            recipe=recipe,
            split=split,
            resolution=size,
            seed=seed,
            threads=threads,
            progress=shown,
        )
    output.show(result, as_json=json, human=_evaluated)


@app.command("extract")
def extract(
    checkpoint: Checkpoint,
    arch: Member,
    dataset: options.DatasetName,
    root: options.DatasetRoot = None,
    recipe: Recipe = None,
    resolution: options.ResolutionText = None,
    out: Annotated[Path, typer.Option(help="Checkpoint to write.", metavar="FILE")] = Path("network.safetensors"),
    seed: options.Seed = 0,
    threads: options.Threads = 1,
    json: options.Json = False,
) -> None:
    """Write a member as a checkpoint of its own."""
    size = options.parse_resolution(resolution)
    from evit_nas.workflows.supernet import supernet_extract

    with progress.progress() as shown:
        result = supernet_extract(
            checkpoint=checkpoint,
            arch=arch,
            dataset=dataset,
            root=root,
            recipe=recipe,
            resolution=size,
            out=out,
            seed=seed,
            threads=threads,
            progress=shown,
        )
    output.show(result, as_json=json, human=_extracted)


@app.command("score")
def score(
    checkpoint: Checkpoint,
    dataset: options.DatasetName,
    archs: Annotated[
        list[str] | None, typer.Argument(help="Members; else some are drawn.", metavar="[ARCH]...")
    ] = None,
    root: options.DatasetRoot = None,
    sample: Annotated[int | None, typer.Option(help="Members to draw; 200.", min=1, show_default=False)] = None,
    recipe: Recipe = None,
    split: Annotated[str, typer.Option(help="Images to score on.")] = "val",
    resolution: options.ResolutionText = None,
    seed: options.Seed = 0,
    threads: options.Threads = 1,
    json: options.Json = False,
) -> None:
    """Score many members into a table beside the checkpoint, for `search --accuracy CHECKPOINT`."""
    size = options.parse_resolution(resolution)
    from evit_nas.workflows.supernet_score import supernet_score

    with progress.progress() as shown:
        result = supernet_score(
            checkpoint=checkpoint,
            archs=archs or (),
            dataset=dataset,
            root=root,
            sample=sample,
            recipe=recipe,
            split=split,
            resolution=size,
            seed=seed,
            threads=threads,
            progress=shown,
        )
    output.show(result, as_json=json, human=_scored)


def _scored(result: SupernetScoreResult) -> Iterator[RenderableType]:
    yield f"table       {result.table.absolute()}"
    yield f"members     {result.members}, {result.scored} of them new"


def _trained(result: SupernetTrainResult) -> Iterator[RenderableType]:
    rows = [("largest", f"{result.largest_miou:.2f}"), ("smallest", f"{result.smallest_miou:.2f}")]
    yield output.table("", ("member", "val mIoU %"), rows)
    yield f"checkpoint  {result.checkpoint.absolute()}"


def _evaluated(result: EvaluateResult) -> Iterator[RenderableType]:
    where = f"{result.images} {result.split} images of {result.dataset}, input {result.resolution}"
    yield from output.scores(result, where)


def _extracted(result: SupernetExtractResult) -> Iterator[RenderableType]:
    yield f"checkpoint  {result.checkpoint.absolute()}"
    yield f"BatchNorm statistics from training images of {result.dataset} at {result.resolution}"
