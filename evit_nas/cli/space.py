"""`evit-nas space`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evit_nas.cli import options, output

if TYPE_CHECKING:
    from rich.console import RenderableType

    from evit_nas.workflows.results import SpaceResult

NAME = "space"


def command(
    space: Annotated[
        str,
        typer.Argument(help="efficientvit-seg, -seg-d16, -seg-d32, -cls, -seg-small or a YAML file.", metavar="SPACE"),
    ] = "efficientvit-seg",
    sample: Annotated[int | None, typer.Option(help="Write this many random members.", min=1, metavar="N")] = None,
    seed: options.Seed = 0,
    out: Annotated[Path | None, typer.Option(help="Folder of the sampled YAML files.", metavar="DIR")] = None,
    json: options.Json = False,
) -> None:
    """The choices of a search space and its size; optionally a uniform sample of it."""
    from evit_nas.workflows.space import space as run

    output.show(run(space=space, sample=sample, seed=seed, out=out), as_json=json, human=_human)


def _human(result: SpaceResult) -> Iterator[RenderableType]:
    yield f"{result.space}: {_rounded(result.size)} networks"
    rows = [(name, "  ".join(_choice(name, value) for value in values)) for name, values in result.choices.items()]
    yield output.table("", ("dimension", "choices"), rows, left=2)
    yield from (str(path.absolute()) for path in result.files)


def _choice(name: str, value: object) -> str:
    """One choice; an input size as HxW, the kernels of several scales joined by +."""
    if not isinstance(value, tuple):
        return str(value)
    return ("x" if name == "resolution" else "+").join(map(str, value)) or "none"


def _rounded(size: int) -> str:
    """An exact integer in words that a person can read; it may be too large for a float."""
    digits = str(size)
    return f"{size:,}" if len(digits) <= 12 else f"{digits[0]}.{digits[1:3]}e{len(digits) - 1}"
