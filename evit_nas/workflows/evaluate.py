"""`evit-nas evaluate`: mIoU or top-1 of a network or of a model file by the official protocol."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evit_nas.errors import InputError
from evit_nas.space.arch import ArchConfig, Resolution, resolution_text
from evit_nas.workflows.candidates import resolve_arch
from evit_nas.workflows.progress import Progress, Silent
from evit_nas.workflows.step_lock import step_lock
from evit_nas.workflows.training_results import EvaluateResult, evaluate_result

if TYPE_CHECKING:
    from evit_nas.accuracy.evaluation.base import Model, Scores

MODEL_FILES = (".tflite", ".onnx")


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """What is evaluated, at which input size, how it is called, and the data set it was trained on, where known."""

    model: Model
    resolution: Resolution
    name: str
    trained_on: str = ""


def evaluate(
    arch: str | Path | ArchConfig,
    *,
    dataset: str,
    root: Path | None = None,
    weights: Path | None = None,
    split: str | None = None,
    resolution: Resolution | None = None,
    upsample: str | None = None,
    scales: Sequence[float] | None = None,
    flip: bool = False,
    sliding_window: bool = False,
    out: Path | None = None,
    threads: int = 1,
    progress: Progress | None = None,
) -> EvaluateResult:
    """mIoU of a checkpoint (ARCH itself or `weights`), a .tflite or an ONNX file, by the official protocol; top-1 and
    top-5 on a data set whose images have one class each.

    `split` is test where the set has one with labels, else val. `scales` (factors of the input size), `flip` and
    `sliding_window` average several views of each image, which the protocol does not. The confusion of classes is
    drawn into the folder `out`.
    """
    from evit_nas.accuracy.data.catalogue import open_dataset
    from evit_nas.accuracy.data.held_out import check_unseen
    from evit_nas.accuracy.evaluation import protocol
    from evit_nas.accuracy.evaluation.views import Views, check_views
    from evit_nas.accuracy.training.machine import prepare

    data = open_dataset(dataset, root)
    chosen = split or ("test" if "test" in data.splits else "val")
    examples = data.split(chosen)
    prepare(0, threads)
    if isinstance(arch, str | Path) and Path(arch).suffix in MODEL_FILES:
        subject = _file(Path(arch), weights, resolution, len(data.classes), threads)
    else:
        subject = _network(arch, weights, resolution, upsample)
    check_unseen(subject.trained_on, dataset, chosen)
    views = Views(scales=(1.0,) if scales is None else tuple(scales), flip=flip, sliding=sliding_window)
    check_views(views, subject.model)
    shown = progress or Silent()
    shown.start(len(examples), f"evaluating {subject.name} on {dataset} {chosen}, images")
    began = time.monotonic()
    scores = protocol.evaluate(
        subject.model,
        data,
        chosen,
        subject.resolution,
        segmented=views,
        hold=step_lock(shown.note),
        advance=shown.advance,
    )
    return evaluate_result(
        scores,
        dataset=dataset,
        split=chosen,
        resolution=subject.resolution,
        seconds=time.monotonic() - began,
        files=_figure(scores, out) if out is not None else (),
    )


def _figure(scores: Scores, out: Path) -> tuple[Path, ...]:
    from evit_nas.report.figures import write_figure
    from evit_nas.report.training_figures import draw_confusion

    counted = "images" if scores.metric == "top1" else "pixels"
    return write_figure(draw_confusion(scores.confusion, tuple(scores.per_class), counted), out, "confusion")


def _file(path: Path, weights: Path | None, resolution: Resolution | None, classes: int, threads: int) -> _Subject:
    from evit_nas.accuracy.evaluation.models import file_model

    if weights is not None:
        raise InputError(f"--weights: {path} holds its own; leave the option out")
    model = file_model(path, classes, threads)
    if resolution is not None and resolution != model.fixed:
        raise InputError(f"--resolution: {path} takes {resolution_text(model.fixed)} only; leave the option out")
    return _Subject(model=model, resolution=model.fixed, name=path.name)


def _network(
    arch: str | Path | ArchConfig, weights: Path | None, resolution: Resolution | None, upsample: str | None
) -> _Subject:
    from evit_nas.accuracy.evaluation.models import torch_model
    from evit_nas.model.checkpoint import fit_arch, read_checkpoint

    found = resolve_arch(arch, upsample=upsample)
    checkpoint = read_checkpoint(weights) if weights is not None else found.checkpoint
    if checkpoint is None:
        raise InputError(f"{found.name}: no weights to evaluate; give a checkpoint as ARCH, or --weights FILE")
    fitted = fit_arch(found.arch, checkpoint, upsample=found.arch.upsample if upsample else None)
    size = resolution or checkpoint.resolution
    own = checkpoint.description
    return _Subject(
        model=torch_model(fitted, checkpoint),
        resolution=found.at(size),
        name=found.name,
        trained_on=own.notes.get("dataset", "") if own else "",
    )
