"""`evit-nas export`: model files, each checked against torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from evit_nas.errors import InputError
from evit_nas.graph.lowering import OURS, PLAIN, Schedule, strip_schedule
from evit_nas.space.arch import ArchConfig, Resolution, resolution_text
from evit_nas.workflows.candidates import ResolvedArch, resolve_arch
from evit_nas.workflows.results import ExportResult, Parity
from evit_nas.workflows.schedule import check_schedule, host_schedule, schedule_name


def export(
    arch: str | Path | ArchConfig,
    *,
    out: Path,
    formats: Sequence[str] = ("tflite", "onnx", "pt"),
    weights: Path | None = None,
    resolution: Resolution | None = None,
    upsample: str | None = None,
    converter: Literal["direct", "litert-torch"] = "direct",
    schedule: str = "auto",
    output: Literal["logits", "resized", "argmax"] = "logits",
    seed: int = 0,
) -> ExportResult:
    """Without `weights` seeded random ones, marked `untrained`. Official weights mean bicubic unless said otherwise."""
    from evit_nas.export.export import export_network

    check_schedule(schedule)
    found = _with_weights(resolve_arch(arch, upsample=upsample), weights, upsample)
    size = found.at(resolution)
    if converter == "litert-torch" and schedule == "strips":
        raise InputError("--schedule strips: the litert-torch converter writes no row strips; valid: auto, plain")
    chosen = PLAIN if converter == "litert-torch" else _schedule(found.arch, size, schedule)
    result = export_network(
        found.arch,
        size,
        out,
        name=found.name,
        formats=tuple(formats),
        weights=found.checkpoint,
        seed=seed,
        converter=converter,
        lowering=replace(OURS, schedule=chosen),
        output=output,
    )
    return ExportResult(
        files=result.files,
        parity={
            name: Parity(max_abs_error=errors.max_abs_error, max_rel_error=errors.max_rel_error)
            for name, errors in result.parity.items()
        },
        weights=found.checkpoint.source if found.checkpoint else "untrained",
        resolution=resolution_text(size),
        converter=converter,
        schedule=schedule_name(chosen),
    )


def _with_weights(found: ResolvedArch, weights: Path | None, upsample: str | None) -> ResolvedArch:
    """The architecture as the weights have it: their number of classes, and bicubic for official files."""
    from evit_nas.model.checkpoint import fit_arch, read_checkpoint

    checkpoint = read_checkpoint(weights) if weights is not None else found.checkpoint
    if checkpoint is None:
        return found
    arch = fit_arch(found.arch, checkpoint, upsample=found.arch.upsample if upsample else None)
    return replace(found, arch=arch, checkpoint=checkpoint, resolution=found.resolution or checkpoint.resolution)


def _schedule(arch: ArchConfig, size: Resolution, schedule: str) -> Schedule:
    """`auto`: what this host measures as faster, plain where it was never profiled."""
    if schedule == "plain":
        return PLAIN
    return strip_schedule(arch, size) if schedule == "strips" else host_schedule(arch, size) or PLAIN
