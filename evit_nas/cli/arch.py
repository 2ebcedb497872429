"""`evit-nas arch`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from evit_nas.cli import options, output

if TYPE_CHECKING:
    from rich.console import RenderableType

    from evit_nas.workflows.results import ArchResult

NAME = "arch"


def command(
    arch: options.Arch,
    resolution: options.ResolutionText = None,
    upsample: options.Upsample = None,
    schedule: options.Schedule = "plain",
    json: options.Json = False,
) -> None:
    """Parameters, MACs and a table of the stages, in the official convention."""
    from evit_nas.workflows.arch import arch as run

    result = run(arch=arch, resolution=options.parse_resolution(resolution), upsample=upsample, schedule=schedule)
    output.show(result, as_json=json, human=_human)


def _human(result: ArchResult) -> Iterator[RenderableType]:
    yield (
        f"{result.arch} at {result.resolution}: {result.params / 1e6:.2f} M parameters, {result.macs / 1e9:.2f} G MACs"
    )
    rows = [
        (s.name, s.blocks, f"{s.channels}x{s.height}x{s.width}", f"{s.params:,}", f"{s.macs / 1e6:,.1f}")
        for s in result.stages
    ]
    yield output.table("", ("stage", "blocks", "output CxHxW", "parameters", "MACs (M)"), rows, left=2)
    if result.kernel_macs is not None and result.peak_activation_bytes is not None:
        yield (
            f"what runs: {result.kernel_macs / 1e9:.2f} G MACs, "
            f"{result.peak_activation_bytes / 2**20:.1f} MiB of activations at the peak, schedule {result.schedule}"
        )
