"""How far outputs of the same weights differ: torch from the published facts, .tflite and ONNX from torch.

    python benchmarks/parity.py [--json FILE] [--without-onnx]

Seeded random weights in the official layout, relative error max|a - b| / max|b| (target: at most 1e-4), for
segmentation and classification, two resolutions each (one small enough for the quadratic attention path), bicubic and
bilinear; delegate partitions of every written .tflite (target: 1). Ends with exit code 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import torch

from evit_nas.export.networks import direct_tflite, onnx_model
from evit_nas.export.parity import Array, compare, run_onnx, run_tflite, run_torch, seeded_image
from evit_nas.graph.blocks import Msa, layout
from evit_nas.graph.lowering import OURS
from evit_nas.model.efficientvit import EfficientViT, build, randomise
from evit_nas.space.arch import ArchConfig, Resolution, named_arch
from evit_nas.tflite.runtime import delegate_partitions

STATEMENT = Path(__file__).parents[1] / "tests" / "model" / "reference_statement.py"
TOLERANCE = 1e-4
SEGMENTATION = ("b0", "b1", "b2", "b3")
CLASSIFICATION = ("b0-cls", "b1-cls", "b2-cls", "b3-cls")
SEG_SIZES: tuple[Resolution, ...] = ((64, 128), (256, 512))
CLS_SIZES: tuple[Resolution, ...] = ((64, 64), (224, 224))
COLUMNS = ("torch_facts", "tflite_torch", "onnx_torch")

Row = dict[str, str | float | int | None]


def load_statement() -> ModuleType:
    """The independent statement of the facts, which lives beside the tests."""
    spec = importlib.util.spec_from_file_location("reference_statement", STATEMENT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stated(statement: ModuleType, network: EfficientViT, image: Array) -> Array:
    """The output that the facts give for the network's weights."""
    arch, state = network.arch, network.state_dict()
    with torch.no_grad():
        if arch.task == "cls":
            out = statement.classification(state, torch.from_numpy(image), dim=arch.head_dim)
        else:
            out = statement.segmentation(state, torch.from_numpy(image), dim=arch.head_dim, upsample=arch.upsample)
    answer: Array = out.numpy()
    return answer


def attention_paths(arch: ArchConfig, resolution: Resolution) -> str:
    """Which forms of the attention the network takes at this resolution."""
    attentions = [item.block for item in layout(arch, resolution) if isinstance(item.block, Msa)]
    return "+".join(sorted({"quadratic" if block.quadratic else "linear" for block in attentions}))


def measure(arch: ArchConfig, name: str, resolution: Resolution, statement: ModuleType, *, onnx: bool) -> Row:
    """One row of the table."""
    network = build(arch)
    randomise(network, seed=0)
    image = seeded_image(resolution, seed=1)
    expected = run_torch(network, image)
    written = direct_tflite(network, resolution, OURS, "logits", {})
    row: Row = {
        "arch": name,
        "resolution": f"{resolution[0]}x{resolution[1]}",
        "upsample": arch.upsample if arch.task == "seg" else "-",
        "attention": attention_paths(arch, resolution),
        "torch_facts": compare(expected, stated(statement, network, image)).max_rel_error,
        "tflite_torch": compare(run_tflite(written, image), expected).max_rel_error,
        "onnx_torch": None,
        "partitions": delegate_partitions(written),
    }
    if onnx:
        answer = run_onnx(onnx_model(network, resolution, "logits", {}), image)
        row["onnx_torch"] = compare(answer, expected).max_rel_error
    return row


def cases() -> list[tuple[str, ArchConfig, Resolution]]:
    """What is compared, smallest first."""
    found = []
    for name in SEGMENTATION:
        for arch in (named_arch(name, upsample="bilinear"), named_arch(name, upsample="bicubic")):
            found += [(name, arch, size) for size in SEG_SIZES]
    found += [(name, named_arch(name), size) for name in CLASSIFICATION for size in CLS_SIZES]
    return found


def errors(row: Row) -> list[float]:
    """The errors that were measured."""
    return [float(value) for column in COLUMNS if (value := row[column]) is not None]


def missed(row: Row) -> bool:
    """Whether a row misses a target."""
    return row["partitions"] != 1 or any(error > TOLERANCE for error in errors(row))


def line(row: Row) -> str:
    """A row of the printed table; a comparison that was left out shows as a dash."""
    texts = [f"{row['arch']:8} {row['resolution']:10} {row['upsample']:9} {row['attention']:17}"]
    texts += [f"{'-':>12}" if row[column] is None else f"{row[column]:12.1e}" for column in COLUMNS]
    return " ".join([*texts, f"{row['partitions']:10}"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the rows there")
    parser.add_argument("--without-onnx", action="store_true", help="leave out the slowest column")
    options = parser.parse_args()
    statement = load_statement()
    head = ["arch    ", "resolution", "upsample ", "attention        ", *(f"{column:>12}" for column in COLUMNS)]
    print(*head, "partitions")
    rows = []
    for name, arch, resolution in cases():
        rows.append(measure(arch, name, resolution, statement, onnx=not options.without_onnx))
        print(line(rows[-1]), flush=True)
    worst = max(error for row in rows for error in errors(row))
    print(f"worst relative error {worst:.1e} (target {TOLERANCE:.0e}); {sum(map(missed, rows))} rows miss a target")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return int(any(missed(row) for row in rows))


if __name__ == "__main__":
    sys.exit(main())
