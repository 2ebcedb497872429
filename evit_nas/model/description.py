"""What a model file of this tool says about itself: the same text entries in checkpoints, .tflite and ONNX files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from evit_nas import __version__
from evit_nas.errors import InputError
from evit_nas.seal import PREFIX
from evit_nas.space.arch import ArchConfig, Resolution
from evit_nas.space.yaml_io import arch_from_yaml, arch_to_yaml

FORMAT = "1"
OUTPUTS: tuple[Output, ...] = ("logits", "resized", "argmax")
Output = Literal["logits", "resized", "argmax"]
_ENTRIES = ("format", "tool", "architecture", "normalisation", "class_names", "untrained", "output", "notes")


@dataclass(frozen=True, kw_only=True, slots=True)
class Normalisation:
    """Input = (RGB / 255 - mean) / std, by channel. The default is that of ImageNet (official evaluation)."""

    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True, slots=True)
class Description:
    """A network in words: enough to run and to judge the file without anything else.

    `resolution` is that of training (checkpoints) or of the input (exports). `class_names` is empty where unknown.
    `untrained` marks seeded random weights. `notes` is free text by name (data set, epochs, parent network).
    """

    arch: ArchConfig
    resolution: Resolution | None = None
    normalisation: Normalisation = Normalisation()
    class_names: tuple[str, ...] = ()
    untrained: bool = False
    output: Output = "logits"
    tool: str = __version__
    notes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.class_names and len(self.class_names) != self.arch.head.classes:
            raise InputError(f"{len(self.class_names)} class names for {self.arch.head.classes} classes: give one each")


def pack(description: Description) -> dict[str, str]:
    """The entries to store. `parse` gives the description back."""
    normalisation = {"mean": description.normalisation.mean, "std": description.normalisation.std}
    values = {
        "format": FORMAT,
        "tool": description.tool,
        "architecture": arch_to_yaml(description.arch, description.resolution),
        "normalisation": json.dumps(normalisation),
        "class_names": json.dumps(description.class_names),
        "untrained": json.dumps(description.untrained),
        "output": description.output,
        "notes": json.dumps(dict(description.notes), sort_keys=True),
    }
    return {PREFIX + name: text for name, text in values.items()}


def described(entries: Mapping[str, str]) -> bool:
    """Whether any of the entries is one of this tool."""
    return any(name.startswith(PREFIX) for name in entries)


def parse(entries: Mapping[str, str], source: str) -> Description:
    """The description in `entries`; further entries are ignored. `source` names the file in errors (InputError)."""
    missing = [name for name in _ENTRIES if PREFIX + name not in entries]
    if missing:
        raise InputError(f"{source}: its description lacks {', '.join(missing)}; write the file again")
    texts = {name: entries[PREFIX + name] for name in _ENTRIES}
    if texts["format"] != FORMAT:
        raise InputError(f"{source}: format {texts['format'][:20]!r} of another version; this one reads {FORMAT!r}")
    arch, resolution = arch_from_yaml(texts["architecture"], source)
    try:
        return Description(
            arch=arch,
            resolution=resolution,
            normalisation=_normalisation(json.loads(texts["normalisation"])),
            class_names=_strings(json.loads(texts["class_names"])),
            untrained={"true": True, "false": False}[texts["untrained"]],
            output=next(output for output in OUTPUTS if output == texts["output"]),
            tool=texts["tool"],
            notes={str(name): str(text) for name, text in json.loads(texts["notes"]).items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration, RecursionError) as error:
        reason = type(error).__name__ if isinstance(error, StopIteration) else str(error)[:80]
        raise InputError(f"{source}: its description cannot be read ({reason}); write the file again") from None


def _normalisation(document: Any) -> Normalisation:
    mean, std = (tuple(float(value) for value in document[name]) for name in ("mean", "std"))
    if len(mean) != 3 or len(std) != 3 or not all(value > 0 for value in std):
        raise ValueError("normalisation needs three means and three positive deviations")
    return Normalisation(mean=(mean[0], mean[1], mean[2]), std=(std[0], std[1], std[2]))


def _strings(document: Any) -> tuple[str, ...]:
    if not isinstance(document, list) or not all(isinstance(item, str) for item in document):
        raise ValueError("class names must be a list of texts")
    return tuple(document)
