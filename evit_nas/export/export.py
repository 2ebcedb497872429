"""An architecture and its weights as model files, each checked against torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from evit_nas.errors import CheckFailed, InputError, nearest
from evit_nas.export.networks import WithOutput, converted_tflite, direct_tflite, onnx_model
from evit_nas.export.parity import Array, Parity, compare, run_checkpoint, run_onnx, run_tflite, run_torch, seeded_image
from evit_nas.files import write_bytes, write_text
from evit_nas.graph.lowering import OURS, Lowering
from evit_nas.model.checkpoint import Checkpoint, load_weights, save_checkpoint
from evit_nas.model.description import Description, Normalisation, Output, pack
from evit_nas.model.efficientvit import EfficientViT, build, randomise
from evit_nas.seal import PLACEHOLDER, SEAL_ENTRY, seal
from evit_nas.space.arch import ArchConfig, Resolution, check_resolution

Format = Literal["tflite", "onnx", "pt"]
Converter = Literal["direct", "litert-torch"]
FORMATS: tuple[Format, ...] = ("tflite", "onnx", "pt")
TOLERANCE = 1e-4  # largest relative error that passes


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    """Files and their parity, by format."""

    files: Mapping[str, Path]
    parity: Mapping[str, Parity]
    description: Description


@dataclass(frozen=True, kw_only=True)
class _Job:
    """One export: the network and everything that its files share."""

    network: EfficientViT
    description: Description
    resolution: Resolution
    converter: Converter
    lowering: Lowering

    @property
    def entries(self) -> dict[str, str]:
        return {**pack(self.description), SEAL_ENTRY: PLACEHOLDER}


def export_network(
    arch: ArchConfig,
    resolution: Resolution,
    out_dir: Path,
    *,
    name: str = "network",
    formats: tuple[str, ...] = FORMATS,
    weights: Checkpoint | None = None,
    seed: int = 0,
    converter: Converter = "direct",
    lowering: Lowering = OURS,
    output: Output = "logits",
    class_names: tuple[str, ...] | None = None,
    normalisation: Normalisation | None = None,
    tolerance: float = TOLERANCE,
) -> ExportResult:
    """Write `out_dir`/`name`.tflite, .onnx, .pt and run each on one seeded image against torch.

    `arch` has the checkpoint's number of classes (`fit_arch`). Without `weights`: seeded random ones, marked
    `untrained`. Class names and normalisation default to the checkpoint's own. `converter` and `lowering` concern
    .tflite alone; the .pt holds weights, so `output` does not change it. Parity is stored in `name`.parity.json.
    Raises InputError (nothing to write to, weights that do not fit) and, with all files written, CheckFailed where a
    relative error exceeds `tolerance`.
    """
    for wanted in formats:
        if wanted not in FORMATS:
            raise InputError(f"format {wanted!r}: {nearest(wanted, FORMATS)}")
    if output != "logits" and arch.task == "cls":
        raise InputError(f"output {output!r}: a classification network has one row of logits; valid: logits")
    network = _network(arch, weights, seed)
    description = _description(arch, check_resolution(resolution), weights, output, class_names, normalisation)
    job = _Job(network=network, description=description, resolution=resolution, converter=converter, lowering=lowering)
    image = seeded_image(resolution, seed)
    expected = _expected(network, image, output)
    files, parity = {}, {}
    for wanted in formats:
        files[wanted] = out_dir / f"{name}.{wanted}"
        parity[wanted] = _write_and_compare(job, wanted, files[wanted], image, expected)
    document = {wanted: asdict(errors) for wanted, errors in parity.items()}
    write_text(out_dir / f"{name}.parity.json", json.dumps(document, indent=2) + "\n")
    _check(parity, tolerance, out_dir / f"{name}.parity.json")
    return ExportResult(files=files, parity=parity, description=description)


def _network(arch: ArchConfig, weights: Checkpoint | None, seed: int) -> EfficientViT:
    network = build(arch)
    if weights is None:
        randomise(network, seed)
    else:
        load_weights(network, weights)
    return network.eval()


def _description(
    arch: ArchConfig,
    resolution: Resolution,
    weights: Checkpoint | None,
    output: Output,
    class_names: tuple[str, ...] | None,
    normalisation: Normalisation | None,
) -> Description:
    own = weights.description if weights and weights.description else Description(arch=arch)
    return replace(
        own,
        arch=arch,
        resolution=resolution,
        output=output,
        untrained=own.untrained or weights is None,
        class_names=own.class_names if class_names is None else class_names,
        normalisation=normalisation or own.normalisation,
    )


@dataclass(frozen=True, kw_only=True)
class _Expected:
    """What torch answers: plain logits, the output asked for, and the resized logits that class ids came from."""

    logits: Array
    output: Array
    resized: Array | None


def _expected(network: EfficientViT, image: Array, output: Output) -> _Expected:
    logits = run_torch(network, image)
    if output == "logits":
        return _Expected(logits=logits, output=logits, resized=None)
    resized = run_torch(WithOutput(network, "resized"), image)
    if output == "resized":
        return _Expected(logits=logits, output=resized, resized=None)
    return _Expected(logits=logits, output=resized.argmax(axis=1).astype(np.int32), resized=resized)


def _write_and_compare(job: _Job, wanted: str, path: Path, image: Array, expected: _Expected) -> Parity:
    if wanted == "pt":
        save_checkpoint(path, job.network, replace(job.description, output="logits"))
        return compare(run_checkpoint(path, job.network.arch, image), expected.logits)
    write_bytes(path, seal(_content(job, wanted)))
    answer = run_tflite(path, image) if wanted == "tflite" else run_onnx(path, image)
    return compare(answer, expected.output, expected.resized)


def _content(job: _Job, wanted: str) -> bytes:
    output = job.description.output
    if wanted == "onnx":
        return onnx_model(job.network, job.resolution, output, job.entries)
    if job.converter == "litert-torch":
        return converted_tflite(job.network, job.resolution, output, job.entries)
    return direct_tflite(job.network, job.resolution, job.lowering, output, job.entries)


def _check(parity: Mapping[str, Parity], tolerance: float, stored: Path) -> None:
    failed = {
        wanted: errors.max_rel_error for wanted, errors in parity.items() if not errors.max_rel_error <= tolerance
    }
    if failed:
        listed = ", ".join(f"{wanted} {error:.1e}" for wanted, error in failed.items())
        raise CheckFailed(f"export differs from torch: relative error of {listed} above {tolerance:.0e}; see {stored}")
