"""Names of the TFLite schema: operators, option tables and their fields, dtypes, as `OpGraph` spells them.

The schema itself is `ai_edge_litert.schema_py_generated`. An attribute is a field of the operator's option table in
snake_case (`strideH` is `stride_h`), enums by name; `fusedActivationFunction` is `fused_activation`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from ai_edge_litert import schema_py_generated as fb

from evit_nas.errors import InputError, nearest
from evit_nas.graph.opgraph import DTYPE_BYTES, Op

FILE_IDENTIFIER = b"TFL3"
CUSTOM_PREFIX = "CUSTOM:"  # kind of a custom operator: this and its name
CUSTOM_OPTIONS = "custom_options"  # attribute: the custom operator's option bytes, as integers


def _names(enum: type) -> dict[str, int]:
    return {name: value for name, value in vars(enum).items() if not name.startswith("_")}


BUILTIN_CODE: Mapping[str, int] = _names(fb.BuiltinOperator)
BUILTIN_NAME: Mapping[int, str] = {code: name for name, code in BUILTIN_CODE.items()}
OPTIONS_CODE: Mapping[str, int] = _names(fb.BuiltinOptions)
OPTIONS_NAME: Mapping[int, str] = {code: name for name, code in OPTIONS_CODE.items()}
OPTIONS2_CODE: Mapping[str, int] = _names(fb.BuiltinOptions2)
OPTIONS2_NAME: Mapping[int, str] = {code: name for name, code in OPTIONS2_CODE.items()}
DTYPE_CODE: Mapping[str, int] = {
    name.lower(): code for name, code in _names(fb.TensorType).items() if name.lower() in DTYPE_BYTES
}
DTYPE_NAME: Mapping[int, str] = {code: name for name, code in DTYPE_CODE.items()}

# option tables that are not named after their operator
_SHARED_TABLES = {
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "L2_POOL_2D": "Pool2DOptions",
    "BATCH_MATMUL": "BatchMatMulOptions",
    "L2_NORMALIZATION": "L2NormOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "PADV2": "PadV2Options",
    "TOPK_V2": "TopKV2Options",
    "GATHER_ND": "GatherNdOptions",
    "SCATTER_ND": "ScatterNdOptions",
    "CONV_3D_TRANSPOSE": "Conv3DOptions",
    "RANDOM_UNIFORM": "RandomOptions",
    "RANDOM_STANDARD_NORMAL": "RandomOptions",
    "MULTINOMIAL": "RandomOptions",
    "LSTM": "LSTMOptions",
    "SVDF": "SVDFOptions",
    "RNN": "RNNOptions",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTMOptions",
    "BIDIRECTIONAL_SEQUENCE_LSTM": "BidirectionalSequenceLSTMOptions",
    "UNIDIRECTIONAL_SEQUENCE_RNN": "SequenceRNNOptions",
    "BIDIRECTIONAL_SEQUENCE_RNN": "BidirectionalSequenceRNNOptions",
    "LSH_PROJECTION": "LSHProjectionOptions",
    "ATAN2": "ATan2Options",
    "STABLEHLO_COMPOSITE": "StableHLOCompositeOptions",
    **dict.fromkeys(
        ("SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "REDUCE_ANY", "REDUCE_ALL"), "ReducerOptions"
    ),
}
_FIELD_ENUMS: Mapping[str, type] = {
    "padding": fb.Padding,
    "fused_activation": fb.ActivationFunctionType,
    "mode": fb.MirrorPadMode,
    "weights_format": fb.FullyConnectedOptionsWeightsFormat,
    "kernel_type": fb.LSTMKernelType,
    "combiner": fb.CombinerType,
    "reduce_function": fb.ReduceWindowFunction,
    "comparison_direction": fb.StablehloComparisonDirection,
    **dict.fromkeys(
        ("quantized_bias_type", "in_data_type", "out_data_type", "out_type", "output_type", "idx_out_type"),
        fb.TensorType,
    ),
}
_ENUM_CODE = {field: _names(enum) for field, enum in _FIELD_ENUMS.items()}
_ENUM_NAME = {field: {code: name for name, code in names.items()} for field, names in _ENUM_CODE.items()}


def _table_of(kind: str) -> str:
    keep = {"2D", "3D", "ND"}
    words = (word if word in keep else word.capitalize() for word in kind.split("_"))
    return _SHARED_TABLES.get(kind, "".join(words) + "Options")


# operator -> name of its option table, for every builtin that has one
OPTIONS_TABLE: Mapping[str, str] = {
    kind: _table_of(kind)
    for kind in BUILTIN_CODE
    if _table_of(kind) in OPTIONS_CODE or _table_of(kind) in OPTIONS2_CODE
}


@cache
def table_fields(table: str) -> Mapping[str, str]:
    """Attribute name -> field name of the option table `table` (`stride_h` -> `strideH`)."""
    fields = vars(getattr(fb, table + "T")())
    return {_snake(field): field for field in fields}


def _snake(field: str) -> str:
    if field == "fusedActivationFunction":
        return "fused_activation"
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", field).lower()


def encode_attr(op: Op, name: str, value: Any) -> Any:
    """The value of a field as the schema stores it. Raises InputError where an enum has no such name."""
    codes = _ENUM_CODE.get(name)
    if codes is None or not isinstance(value, str):
        return list(value) if isinstance(value, tuple) else value
    if value not in codes:
        raise InputError(f"operator {op.kind}: {name}={value!r}, {nearest(value, codes)}")
    return codes[value]


def decode_attr(name: str, value: Any) -> Any:
    """The value of an option table's field as an attribute; None where the field is absent or is a nested table."""
    if value is None or inspect.isclass(value):
        return None
    if name in _ENUM_NAME and isinstance(value, int):
        return _ENUM_NAME[name].get(value, value)
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, bool | int | float | str):
        return value
    if hasattr(value, "tolist"):
        return tuple(value.tolist())
    return tuple(value) if isinstance(value, list) and all(isinstance(item, int) for item in value) else None
