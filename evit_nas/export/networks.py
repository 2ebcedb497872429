"""The content of each exported format, as bytes, from one torch network."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch.nn import functional

from evit_nas.graph.emit import emit, with_output
from evit_nas.graph.lowering import Lowering
from evit_nas.graph.opgraph import OpGraph
from evit_nas.model.checkpoint import module_state
from evit_nas.model.description import Output
from evit_nas.model.efficientvit import EfficientViT
from evit_nas.model.upstream import upstream_module
from evit_nas.space.arch import Resolution
from evit_nas.tflite.capi import captured_log
from evit_nas.tflite.metadata import add_metadata
from evit_nas.tflite.weights import materialize
from evit_nas.tflite.writer import write


class WithOutput(torch.nn.Module):
    """A segmentation network that ends in logits, in logits resized to the input (bilinear), or in class ids (int32).

    Images [1, 3, H, W] in; [1, classes, h, w] or [1, H, W] out.
    """

    def __init__(self, network: EfficientViT, output: Output) -> None:
        super().__init__()
        self.network, self.output = network, output

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.network(image)
        if self.output == "logits":
            return logits
        resized = functional.interpolate(logits, size=image.shape[2:], mode="bilinear", align_corners=False)
        return resized if self.output == "resized" else resized.argmax(dim=1).to(torch.int32)


def direct_tflite(
    network: EfficientViT, resolution: Resolution, lowering: Lowering, output: Output, entries: Mapping[str, str]
) -> bytes:
    """Written operator by operator, NHWC."""
    state = {name: tensor.numpy() for name, tensor in module_state(network).items()}
    graph = materialize(with_output(emit(network.arch, resolution, lowering), output), state)
    return write(OpGraph(graph.tensors, graph.ops, graph.inputs, graph.outputs, dict(entries)))


def reference_module(network: EfficientViT) -> EfficientViT:
    """The same weights in the upstream order of operations, in evaluation mode."""
    reference = upstream_module(network.arch)
    reference.load_state_dict(network.state_dict())
    return reference.eval()


def converted_tflite(
    network: EfficientViT, resolution: Resolution, output: Output, entries: Mapping[str, str]
) -> bytes:
    """The upstream module converted by litert-torch with its defaults, NCHW."""
    with _quiet():
        import litert_torch

        example = (torch.zeros(1, 3, *resolution),)
        model = litert_torch.convert(WithOutput(reference_module(network), output).eval(), example)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.tflite"
            model.export(str(path))
            content = path.read_bytes()
    return add_metadata(content, entries) if entries else content


def onnx_model(network: EfficientViT, resolution: Resolution, output: Output, entries: Mapping[str, str]) -> bytes:
    """One ONNX file with its weights inside; input `image` [1, 3, H, W], output `logits` or `classes`."""
    name = "classes" if output == "argmax" else "logits"
    with _quiet():
        program = torch.onnx.export(
            WithOutput(network, output).eval(),
            (torch.zeros(1, 3, *resolution),),
            dynamo=True,
            input_names=["image"],
            output_names=[name],
            verbose=False,
        )
        assert program is not None  # None only without dynamo
        model = program.model_proto
    for key, text in entries.items():
        model.metadata_props.add(key=key, value=text)
    content: bytes = model.SerializeToString()
    return content


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Exporters print progress and warnings on both streams: results alone belong on stdout."""
    with (
        warnings.catch_warnings(),
        captured_log(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        level = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(level)
