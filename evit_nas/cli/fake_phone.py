"""`evit-nas fake-phone`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from evit_nas.fakephone.arm64.toolchain import PACKAGES
from evit_nas.fakephone.faults import NAMES, PHASES

NAME = "fake-phone"
_FAULTS_HELP = "\n\n".join(f"{name}: {text}." for name, text in NAMES.items())
HELP = f"""A stand-in phone on loopback for the real adb client: one line `ready 127.0.0.1:PORT`, then until stopped.

Faults are a JSON list of {{"fault", "phase": "{"|".join(PHASES)}", "after_s", "for_s"}}, in phone seconds:
a window opens once the phone has spent after_s in that phase (no phase: since its start) and stays open for for_s
(none: for good).

{_FAULTS_HELP}

With --exec arm64 the phone carries no benchmark_model; Android programs that are pushed run with your rights, and the
times are the emulator's and mean nothing. It needs the Debian packages {", ".join(PACKAGES)}.
"""


def command(
    soc: Annotated[str, typer.Option(help="The chip it pretends to have.")] = "sm8450",
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0: any free one.", min=0, max=65535)] = 0,
    cost_model: Annotated[
        Path | None, typer.Option(help="JSON: what operators cost on it.", metavar="FILE", show_default=False)
    ] = None,
    faults: Annotated[
        Path | None, typer.Option(help="JSON: what goes wrong, and when.", metavar="FILE", show_default=False)
    ] = None,
    time_scale: Annotated[
        float, typer.Option(help="Wall seconds per phone second; 0: answer at once on a simulated clock.", min=0)
    ] = 0.0,
    execute: Annotated[
        Literal["simulated", "arm64"],
        typer.Option("--exec", help="Its own benchmark_model, or arm64 programs that you push, under qemu-user."),
    ] = "simulated",
) -> None:
    from evit_nas.fakephone.serve import serve

    serve(soc=soc, port=port, cost_model=cost_model, faults=faults, time_scale=time_scale, arm64=execute == "arm64")


command.__doc__ = HELP
