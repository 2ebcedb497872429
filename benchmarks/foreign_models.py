"""Make .tflite files of other networks with other people's converters, to predict and to measure (foreign_files.py).

MobileNetV2 and EfficientNet-B0 from Keras by TFLiteConverter (needs tensorflow, which the tool itself does not:
`pip install tensorflow==2.21.*` into an environment of its own and run this file there); SegFormer-B0 from
transformers by litert-torch. Weights are random, which no kernel's time depends on; float32, batch 1.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path


def mobilenet_v2(path: Path) -> None:
    """MobileNetV2 1.0 at 224x224."""
    import tensorflow as tf

    _convert_keras(tf.keras.applications.MobileNetV2, path)


def efficientnet_b0(path: Path) -> None:
    """EfficientNet-B0 at 224x224."""
    import tensorflow as tf

    _convert_keras(tf.keras.applications.EfficientNetB0, path)


def segformer_b0(path: Path) -> None:
    """SegFormer-B0 with 150 classes at 512x512, NCHW in and out as transformers has it."""
    import litert_torch
    import torch
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = SegformerForSemanticSegmentation(SegformerConfig(num_labels=150))

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return self.network(image).logits

    torch.manual_seed(0)
    litert_torch.convert(Logits().eval(), (torch.zeros(1, 3, 512, 512),)).export(str(path))


MODELS: Mapping[str, Callable[[Path], None]] = {
    "mobilenet-v2": mobilenet_v2,
    "efficientnet-b0": efficientnet_b0,
    "segformer-b0": segformer_b0,
}


def _convert_keras(build: Callable[..., object], path: Path) -> None:
    """With a fixed batch of one: a batch of -1 cannot be planned."""
    import tensorflow as tf

    network = build(weights=None, input_tensor=tf.keras.Input(batch_shape=(1, 224, 224, 3)))
    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(network).convert())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", choices=MODELS, nargs="*", help="by default every network that is not there yet")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name in arguments.only or MODELS:
        path = arguments.folder / f"{name}.tflite"
        if arguments.only or not path.exists():
            MODELS[name](path)
            print(path)


if __name__ == "__main__":
    main()
