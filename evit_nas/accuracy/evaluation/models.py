"""What can be evaluated: torch networks, .tflite and ONNX files. Each is a `Model` (base.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from evit_nas.accuracy.metric import Task
from evit_nas.errors import InputError
from evit_nas.model.checkpoint import Checkpoint, load_weights
from evit_nas.model.description import Description, Normalisation, described, parse
from evit_nas.model.efficientvit import EfficientViT, build
from evit_nas.seal import check_seal
from evit_nas.space.arch import ArchConfig, Resolution, Upsample, check_resolution
from evit_nas.tflite.reader import read
from evit_nas.tflite.runtime import open_session

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class TorchModel:
    """A network in evaluation mode."""

    network: EfficientViT
    normalisation: Normalisation = field(default_factory=Normalisation)
    fixed: Resolution | None = None

    @property
    def task(self) -> Task:
        return self.network.arch.task

    @property
    def classes(self) -> int:
        return self.network.arch.head.classes

    @property
    def upsample(self) -> Upsample:
        return self.network.arch.upsample

    def run(self, image: torch.Tensor) -> torch.Tensor:
        device = next(self.network.parameters()).device
        out: torch.Tensor = self.network(image.to(device, memory_format=torch.channels_last))
        return out


def torch_model(arch: ArchConfig, checkpoint: Checkpoint) -> TorchModel:
    """The network of `arch` with the weights of `checkpoint`. Raises CheckpointError where they do not fit."""
    network = build(arch)
    load_weights(network, checkpoint)
    network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    own = checkpoint.description
    return TorchModel(network=network, normalisation=own.normalisation if own else Normalisation())


@dataclass(frozen=True, kw_only=True, eq=False)
class FileModel:
    """A model file. `answer` takes an image in the file's own layout. Close it after use."""

    answer: Callable[[Array], Array]
    close: Callable[[], None]
    fixed: Resolution
    task: Task
    classes: int
    channels_last: bool
    normalisation: Normalisation
    upsample: Upsample

    def run(self, image: torch.Tensor) -> torch.Tensor:
        pixels = image.numpy()
        given = (
            np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)) if self.channels_last else np.ascontiguousarray(pixels)
        )
        output = torch.from_numpy(self.answer(given))
        return output.permute(0, 3, 1, 2) if self.channels_last and output.ndim == 4 else output


def file_model(path: Path, classes: int, threads: int = 1) -> FileModel:
    """A .tflite or ONNX file, which says its own input size.

    Files of this tool say their normalisation too; others are taken to have ImageNet's. `classes` is believed where a
    file answers in class ids and says nothing. Raises InputError for a damaged, altered or foreign file.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    return _tflite(path, classes, threads) if path.suffix == ".tflite" else _onnx(path, classes, threads)


def _tflite(path: Path, classes: int, threads: int) -> FileModel:
    sealed = check_seal(path.read_bytes(), str(path))
    entries: Mapping[str, str] = read(path).metadata if sealed else {}
    session = open_session(path, threads=threads)
    given, answered = session.inputs[0], session.outputs[0]
    return _model(
        path,
        answer=lambda image: session.run([image])[0],
        close=session.close,
        given=given.shape,
        answered=answered.shape,
        entries=entries,
        classes=classes,
    )


def _onnx(path: Path, classes: int, threads: int) -> FileModel:
    import onnxruntime

    content = path.read_bytes()
    check_seal(content, str(path))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions share no base class
        raise InputError(f"{path}: onnxruntime cannot load it ({' '.join(str(error).split())[:100]})") from None
    given, answered = session.get_inputs()[0], session.get_outputs()[0]
    return _model(
        path,
        answer=lambda image: session.run(None, {given.name: image})[0],
        close=lambda: None,
        given=tuple(given.shape),
        answered=tuple(answered.shape),
        entries=dict(session.get_modelmeta().custom_metadata_map),
        classes=classes,
    )


def _model(
    path: Path,
    *,
    answer: Callable[[Array], Array],
    close: Callable[[], None],
    given: tuple[Any, ...],
    answered: tuple[Any, ...],
    entries: Mapping[str, str],
    classes: int,
) -> FileModel:
    if (
        len(given) != 4
        or not all(isinstance(side, int) for side in (*given, *answered))
        or 3 not in (given[1], given[3])
    ):
        raise InputError(f"{path}: input {list(given)}; valid: one image of fixed size with three channels")
    if len(answered) not in (2, 3, 4):
        raise InputError(f"{path}: output {list(answered)}; valid: logits of an image, logits or ids of pixels")
    last = given[1] != 3
    own: Description | None = parse(entries, str(path)) if described(entries) else None
    if own is not None:
        classes = own.arch.head.classes
    elif len(answered) in (2, 4):
        classes = answered[-1 if last else 1]
    return FileModel(
        answer=answer,
        close=close,
        fixed=check_resolution((given[1], given[2]) if last else (given[2], given[3])),
        task="cls" if len(answered) == 2 else "seg",
        classes=classes,
        channels_last=last,
        normalisation=own.normalisation if own else Normalisation(),
        upsample=own.arch.upsample if own else "bilinear",
    )
