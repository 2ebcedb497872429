"""Other people's networks from other people's converters: predicted on this machine's table, and measured.

MobileNetV2 and EfficientNet-B0 (Keras, TFLiteConverter) and SegFormer-B0 (transformers, litert-torch), float32, one
thread. `--files` is where they lie or are made; those from Keras need an interpreter with TensorFlow
(`--tensorflow-python`). A row is within the target if it is within 10 %, or if the 90 % interval holds the measurement.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import evit_nas

HERE = Path(__file__).parent
NETWORKS = {"mobilenet-v2": "keras", "efficientnet-b0": "keras", "segformer-b0": "torch"}


def find_or_make(folder: Path, name: str, tensorflow_python: str) -> Path:
    """The file of `name`, made by the interpreter that can, if it is not there."""
    path = folder / f"{name}.tflite"
    if not path.exists():
        python = tensorflow_python if NETWORKS[name] == "keras" else sys.executable
        subprocess.run([python, str(HERE / "foreign_models.py"), str(folder), "--only", name], check=True)
    return path


def compare(path: Path, tables: Path | None) -> dict[str, Any]:
    """Predicted and measured milliseconds of one file."""
    predicted = evit_nas.predict(path, device="host", tables=tables)
    measured = evit_nas.measure(path, device="host")
    error = predicted.latency_ms / measured.latency_ms - 1
    inside = predicted.low_ms <= measured.latency_ms <= predicted.high_ms
    return {
        "file": path.name,
        "predicted_ms": predicted.latency_ms,
        "low_ms": predicted.low_ms,
        "high_ms": predicted.high_ms,
        "measured_ms": measured.latency_ms,
        "error": error,
        "inside_interval": inside,
        "within_target": abs(error) <= 0.1 or inside,
        "partitions": predicted.partitions,
        "extrapolated": predicted.coverage.extrapolated,
        "uncovered": [
            f"{gap.count} {gap.kind} ({gap.macs_share:.1%} MACs, {gap.bytes_share:.1%} bytes)"
            for gap in predicted.uncovered
        ],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=Path, default=Path(tempfile.gettempdir()) / "evit-nas-foreign")
    parser.add_argument("--tables", type=Path, help="folder of latency tables; as everywhere by default")
    parser.add_argument("--tensorflow-python", default=sys.executable, help="an interpreter that can import tensorflow")
    parser.add_argument("--only", default="", help="networks whose name contains this")
    parser.add_argument("--json", type=Path, help="also write the rows here")
    arguments = parser.parse_args()
    rows = []
    for name in (name for name in NETWORKS if arguments.only in name):
        row = compare(find_or_make(arguments.files, name, arguments.tensorflow_python), arguments.tables)
        rows.append(row)
        print(
            f"{row['file']:24} predicted {row['predicted_ms']:7.1f} ms [{row['low_ms']:.1f}, {row['high_ms']:.1f}], "
            f"measured {row['measured_ms']:7.1f} ms, {row['error']:+.1%}, "
            f"{'inside' if row['inside_interval'] else 'outside'} the interval, {row['partitions']} partitions, "
            f"{row['extrapolated']:.0%} of the time extrapolated"
        )
        print("   not covered: " + (", ".join(row["uncovered"]) or "nothing"), flush=True)
    print(f"within 10 % or the interval: {sum(row['within_target'] for row in rows)} of {len(rows)}")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
