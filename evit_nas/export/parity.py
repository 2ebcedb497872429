"""Whether an exported file answers as torch does: both run on the same input.

Shapes: logits [1, classes, H, W] or [1, classes], class ids [1, H, W]; whatever the file's own layout, outputs are
compared in torch's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from evit_nas.errors import CheckFailed
from evit_nas.model.checkpoint import load_weights, read_checkpoint
from evit_nas.model.efficientvit import build
from evit_nas.space.arch import ArchConfig, Resolution
from evit_nas.tflite.runtime import open_session

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Parity:
    """Largest error of a file's output against torch, and relative to torch's largest output.

    For class ids the error of a pixel is how much lower torch's logit of the chosen class is than its largest one: 0
    where the same class is chosen, tiny at a tie. `equal_share` is the share of equal pixels (None for logits).
    """

    max_abs_error: float
    max_rel_error: float
    equal_share: float | None = None


def seeded_image(resolution: Resolution, seed: int) -> Array:
    """A normalised image of unit variance, float32 [1, 3, H, W]."""
    return np.random.default_rng(seed).standard_normal((1, 3, *resolution), np.float32)


def compare(output: Array, expected: Array, logits: Array | None = None) -> Parity:
    """Parity of `output`. Class ids need torch's `logits` [1, classes, H, W] at the same size.

    Raises CheckFailed where shapes differ or a value is not finite.
    """
    if output.shape != expected.shape:
        raise CheckFailed(f"the file's output is {list(output.shape)}, torch's {list(expected.shape)}")
    for whose, values in (("the file", output), ("torch", expected)):
        if not np.isfinite(values).all():
            raise CheckFailed(f"the output of {whose} has values that are not finite")
    if logits is None:
        error, largest = float(np.abs(output - expected).max()), float(np.abs(expected).max())
        return Parity(max_abs_error=error, max_rel_error=_ratio(error, largest))
    chosen = np.take_along_axis(logits, output[:, None].astype(np.int64), axis=1)[:, 0]
    error = float((logits.max(axis=1) - chosen).max())
    equal = float((output == expected).mean())
    return Parity(max_abs_error=error, max_rel_error=_ratio(error, float(np.abs(logits).max())), equal_share=equal)


def _ratio(error: float, largest: float) -> float:
    if largest == 0.0:
        raise CheckFailed("torch's output is zero everywhere: nothing to compare with")
    return error / largest


def run_tflite(model: bytes | Path, image: Array) -> Array:
    """The output of a .tflite file, NHWC or NCHW by the shape of its input, in torch's layout."""
    with open_session(model) as session:
        channels_last = session.inputs[0].shape[-1] == 3 and session.inputs[0].shape[1] != 3
        given = np.ascontiguousarray(image.transpose(0, 2, 3, 1)) if channels_last else image
        output = session.run([given])[0]
    return output.transpose(0, 3, 1, 2) if channels_last and output.ndim == 4 else output


def run_onnx(model: bytes | Path, image: Array) -> Array:
    """The output of an ONNX file in onnxruntime, one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    content = model if isinstance(model, bytes) else model.read_bytes()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    output: Array = session.run(None, {session.get_inputs()[0].name: image})[0]
    return output


def run_checkpoint(path: Path, arch: ArchConfig, image: Array) -> Array:
    """The logits of a fresh network of `arch` with the weights in `path`."""
    network = build(arch)
    load_weights(network, read_checkpoint(path))
    return run_torch(network, image)


def run_torch(module: torch.nn.Module, image: Array) -> Array:
    """The output of `module` in evaluation mode."""
    module.eval()
    with torch.no_grad():
        output: Array = module(torch.from_numpy(image)).numpy()
    return output
