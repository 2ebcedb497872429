"""`evit-nas fake-phone`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evit_nas.fakephone.faults import NAMES, PHASES

NAME = "fake-phone"
_FAULTS_HELP = "\n\n".join(f"{name}: {text}." for name, text in NAMES.items())
HELP = f"""A stand-in phone on loopback for the real adb client: one line `ready 127.0.0.1:PORT`, then until stopped.

Faults are a JSON list of {{"fault", "phase": "{"|".join(PHASES)}", "after_s", "for_s"}}, in phone seconds:
a window opens once the phone has spent after_s in that phase (no phase: since its start) and stays open for for_s
(none: for good).

{_FAULTS_HELP}
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
) -> None:
    from evit_nas.fakephone.serve import serve

    serve(soc=soc, port=port, cost_model=cost_model, faults=faults, time_scale=time_scale)


command.__doc__ = HELP
