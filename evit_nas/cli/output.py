"""What goes to stdout (results) and to stderr (everything else)."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from rich.console import RenderableType

    from evit_nas.workflows.results import Result
    from evit_nas.workflows.training_results import EvaluateResult, TrainResult

R = TypeVar("R", bound="Result")

_PIPE_WIDTH = 160  # columns where stdout is no terminal


def show(result: R, *, as_json: bool, human: Callable[[R], Iterable[RenderableType]]) -> None:
    """Print a result: one JSON document, or what `human` draws of it."""
    if as_json:
        _write(json.dumps(result.to_json(), indent=2, allow_nan=False, ensure_ascii=False) + "\n")
    else:
        _write(_render(human(result)))


def first_process() -> bool:
    """Whether this process speaks for all of them; torchrun numbers the processes that it starts."""
    return os.environ.get("RANK", "0") == "0"


def note(text: str) -> None:
    """One line for the user beside the result."""
    print(text, file=sys.stderr, flush=True)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, left: int = 1) -> RenderableType:
    """A table whose first `left` columns hold text and the others numbers."""
    from rich import box
    from rich.table import Table

    drawn = Table(title=title or None, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for number, name in enumerate(columns):
        drawn.add_column(name, justify="left" if number < left else "right", overflow="fold")
    for row in rows:
        drawn.add_row(*("" if cell is None else str(cell) for cell in row))
    return drawn


def scores(result: TrainResult | EvaluateResult, where: str) -> Iterator[RenderableType]:
    """The table of classes (`absent` for one neither labelled nor predicted), then the score, measured `where`."""
    rows = [(name, "absent" if value is None else f"{value:.2f}") for name, value in result.per_class.items()]
    yield table("", ("class", "IoU %" if result.miou is not None else "right %"), rows)
    found = (("mIoU", result.miou), ("top-1", result.top1), ("top-5", result.top5))
    yield from (f"{name:<11} {value:.2f} on {where}" for name, value in found if value is not None)


def _render(parts: Iterable[RenderableType]) -> str:
    """Strings as they are, without markup and without wrapping; anything else as rich draws it."""
    from rich.console import Console

    buffer = io.StringIO()
    terminal = sys.stdout.isatty()
    console = Console(file=buffer, force_terminal=terminal, width=None if terminal else _PIPE_WIDTH)
    for part in parts:
        if isinstance(part, str):
            buffer.write(f"{part}\n")
        else:
            console.print(part)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def _write(text: str) -> None:
    """To stdout; a reader that has gone away (`| head`) ends the output, not the command."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
