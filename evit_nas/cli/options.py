"""Options that mean the same on every command, and the readers of their values."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import typer

from evit_nas.errors import InputError, nearest
from evit_nas.space import arch
from evit_nas.space.dimension import MAX_SEED

_TIME = re.compile(r"\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?)\s*([a-zµ]*)\s*", re.IGNORECASE)
_MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3}

Arch = Annotated[
    str, typer.Argument(help="b0..b3, b1-ade20k.., b0-cls.., a YAML file or a checkpoint.", metavar="ARCH")
]
DatasetName = Annotated[
    str,
    typer.Option(
        "--dataset",
        help="cityscapes, ade20k, camvid, idd-lite, idd-lite-held-out, folders, imagenet, scenes.",
        metavar="NAME",
    ),
]
DatasetRoot = Annotated[
    Path | None, typer.Option("--root", help="Folder of the data set.", metavar="DIR", show_default=False)
]
Device = Annotated[str, typer.Option(help="sm8450, host, a serial, or the id of a table.", metavar="D")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Lowering = Annotated[
    Literal["authors", "ours"] | None,
    typer.Option(help="How the network is lowered to kernels; by default as the device's table."),
]
Merge = Annotated[
    bool, typer.Option("--merge", help="Use all the device's tables, a calibration beside measured rows.")
]
ResolutionText = Annotated[
    str | None, typer.Option("--resolution", help="Input size, multiples of 32.", metavar="HxW", show_default=False)
]
Schedule = Annotated[
    Literal["auto", "plain", "strips"], typer.Option(help="Row strips of large blocks: as measured on this host.")
]
Seed = Annotated[int, typer.Option(help="Seed of all random choices.", min=0, max=MAX_SEED)]
Tables = Annotated[Path | None, typer.Option(help="Folder of latency tables.", metavar="DIR", show_default=False)]
Threads = Annotated[int, typer.Option(help="Threads of the runtime.", min=1)]
Upsample = Annotated[Literal["bilinear", "bicubic"] | None, typer.Option(help="How the head upsamples.")]


def parse_budget(text: str) -> float:
    """Milliseconds of a time with its unit: `200ms`, `0.2s`, `1.5 s`. Raises InputError."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise InputError(f"--budget {text!r}: not a time; write for example 200ms or 0.2s")
    number, unit = float(match[1]), match[2].lower().replace("µ", "u")
    if not unit:
        raise InputError(f"--budget {text!r}: no unit; write {match[1]}ms or {match[1]}s")
    if unit not in _MILLISECONDS:
        raise InputError(f"--budget {text!r}: unknown unit {match[2]!r}; valid: {', '.join(_MILLISECONDS)}")
    budget_ms = number * _MILLISECONDS[unit]
    if not math.isfinite(budget_ms) or budget_ms <= 0:
        raise InputError(f"--budget {text!r}: must be a finite time above zero, for example 200ms")
    return budget_ms


def parse_resolution(text: str | None) -> tuple[int, int] | None:
    """Height and width of `HxW`, blanks around the x allowed. Raises InputError unless it is a legal input size."""
    if text is None:
        return None
    try:
        return arch.parse_resolution(re.sub(r"\s*x\s*", "x", text.lower()))
    except InputError as error:
        raise InputError(f"--{error}") from None


def parse_list(option: str, text: str, valid: Iterable[str]) -> tuple[str, ...]:
    """The words of a comma-separated option, each once. Raises InputError for an unknown one or for none."""
    options = tuple(valid)
    words = tuple(dict.fromkeys(word.strip().lower() for word in text.split(",") if word.strip()))
    if not words:
        raise InputError(f"{option} {text!r}: empty; valid: {', '.join(options)}")
    for word in words:
        if word not in options:
            raise InputError(f"{option} {text!r}: unknown {word!r}; {nearest(word, options)}")
    return words


def parse_numbers(option: str, text: str) -> tuple[float, ...]:
    """The numbers of a comma-separated option. Raises InputError for a word that is none."""
    try:
        return tuple(float(word) for word in text.split(","))
    except ValueError:
        raise InputError(f"{option} {text!r}: not numbers with commas between, such as 0.75,1,1.25") from None
