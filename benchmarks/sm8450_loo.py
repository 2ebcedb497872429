"""How far off the sm8450 calibration is on published networks that it has not seen.

    python benchmarks/sm8450_loo.py [--json]
    python benchmarks/sm8450_loo.py --columns OPS_CSV

The first prints nested leave-one-out, leave-one-family-out and leave-one-task-out errors. The second rewrites
`published.columns.csv`, the summed cost columns of the other families, from operator lists (columns model, family, op,
kind, macs, in_bytes, out_bytes, in_shapes, out_shape, stride; without shapes an operator counts by macs and bytes).
"""

from __future__ import annotations

import argparse
import csv
import io
import json
from pathlib import Path

import numpy as np

from evit_nas.graph.kernel import KernelSignature, TensorType
from evit_nas.graph.signature import attrs_of
from evit_nas.latency.predictor.base import Floats
from evit_nas.latency.predictor.calibrate import calibrate
from evit_nas.latency.predictor.calibration_rows import read_network_times
from evit_nas.latency.predictor.features import COST_COLUMNS, Facts, cost_columns
from evit_nas.latency.predictor.kinds import DEPTHWISE_KIND, KNOWN_KINDS, REDUCTION_KINDS
from evit_nas.latency.predictor.phone_costs import PhoneCosts, shipped_phone_costs
from evit_nas.latency.table.store import write_beside

ROWS = Path(__file__).parent.parent / "latency_tables" / "sm8450" / "source" / "published.csv"
FAMILIES = ("EfficientNet", "EfficientNetV2", "SegFormer")
KINDS = {  # operator groups of the lists -> TFLite builtins
    "add": "ADD",
    "bmm": "BATCH_MATMUL",
    "conv": "CONV_2D",
    "copy": "CONCATENATION",
    "dw3": "DEPTHWISE_CONV_2D",
    "dw5": "DEPTHWISE_CONV_2D",
    "fc": "FULLY_CONNECTED",
    "lnmul": "MUL",
    "logistic": "LOGISTIC",
    "mean_ln": "MEAN",
    "mul": "MUL",
    "pool": "MEAN",
    "pw": "CONV_2D",
    "resize": "RESIZE_BILINEAR",
    "softmax": "SOFTMAX",
    "squared_difference": "SQUARED_DIFFERENCE",
    "sub": "SUB",
}


def operator_columns(row: dict[str, str], phone: PhoneCosts) -> Floats:
    """Cost columns of one listed operator. An operator group without a place here is a KeyError, never zero."""
    if row["in_shapes"] and row["op"] in KNOWN_KINDS:
        return phone.columns(operator_signature(row))
    kind = KINDS[row["kind"]]
    inputs = [int(float(text)) for text in row["in_bytes"].split(";") if text]
    output = int(float(row["out_bytes"]))
    elements = (inputs[0] if kind in REDUCTION_KINDS else output) // 4
    return cost_columns(Facts(kind, int(float(row["macs"])), (*inputs, output), elements))


def operator_signature(row: dict[str, str]) -> KernelSignature:
    """The kernel of an operator whose shapes are listed: the data first, then the constants (weights, bias, axes)."""
    shapes = [tuple(map(int, text.split("x"))) for text in row["in_shapes"].split(";")]
    out = tuple(map(int, row["out_shape"].split("x")))
    has_weights = row["op"] in ("CONV_2D", DEPTHWISE_KIND, "FULLY_CONNECTED")
    activations = 1 if has_weights or row["op"] in REDUCTION_KINDS else len(shapes)
    inputs = [TensorType(shape, "float32", i >= activations) for i, shape in enumerate(shapes)]
    if row["op"] in REDUCTION_KINDS:
        return KernelSignature(row["op"], tuple(inputs[:1]), (TensorType(out),), attrs_of(axes=(1, 2)))
    stride = int(float(row["stride"] or 1))
    attrs = attrs_of(fused_activation="NONE", stride_h=stride, stride_w=stride) if has_weights else ()
    return KernelSignature(row["op"], tuple(inputs), (TensorType(out),), attrs)


def write_columns(ops_csv: Path) -> None:
    """Sum the cost columns of every network of another family."""
    sums: dict[str, Floats] = {}
    phone = shipped_phone_costs()
    with ops_csv.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["family"] in FAMILIES:
                zero = np.zeros(len(COST_COLUMNS))
                sums[row["model"]] = sums.get(row["model"], zero) + operator_columns(row, phone)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["network", *COST_COLUMNS])
    writer.writerows([name, *(f"{value:.9g}" for value in values)] for name, values in sums.items())
    write_beside(ROWS.with_suffix(".columns.csv"), text.getvalue())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--columns", type=Path, metavar="OPS_CSV")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.columns is not None:
        write_columns(options.columns)
        return
    calibration = calibrate(read_network_times(ROWS, shipped_phone_costs()))
    if options.json:
        print(json.dumps({"recipe": calibration.recipe.name, **calibration.errors}, indent=2))
        return
    print(f"recipe: {calibration.recipe.name}")
    for name, value in calibration.errors.items():
        print(f"{name}: {json.dumps(value)}")


if __name__ == "__main__":
    main()
