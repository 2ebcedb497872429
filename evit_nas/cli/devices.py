"""`evit-nas devices`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from evit_nas.cli import options, output

if TYPE_CHECKING:
    from rich.console import RenderableType

    from evit_nas.workflows.results import DevicesResult

NAME = "devices"


def command(json: options.Json = False) -> None:
    """This host and every adb device: SoC, state, and what to do about it."""
    from evit_nas.workflows.devices import devices

    output.show(devices(), as_json=json, human=_human)


def _human(result: DevicesResult) -> Iterator[RenderableType]:
    rows = [
        (d.id, d.kind, d.soc or ("" if d.kind == "host" else "unknown"), d.state, d.name, d.advice)
        for d in result.devices
    ]
    yield output.table("", ("id", "kind", "soc", "state", "name", "what to do"), rows, left=6)
