"""Operators by what they do: the classes that costs are known for. Anything else has no cost, and is an error."""

from __future__ import annotations

from evit_nas.graph.kernel import GRAPH_KIND

DENSE_KINDS = frozenset({"CONV_2D", "FULLY_CONNECTED", "BATCH_MATMUL", "TRANSPOSE_CONV"})
DEPTHWISE_KIND = "DEPTHWISE_CONV_2D"
ELEMENTWISE_KINDS = frozenset(
    [
        "ABS",
        "CEIL",
        "ROUND",
        "ADD",
        "DIV",
        "ELU",
        "EQUAL",
        "FLOOR",
        "GREATER",
        "HARD_SWISH",
        "LEAKY_RELU",
        "LESS",
        "MAXIMUM",
        "MINIMUM",
        "MUL",
        "NEG",
        "PRELU",
        "RELU",
        "RELU6",
        "RELU_N1_TO_1",
        "RSQRT",
        "SELECT",
        "SELECT_V2",
        "SOFTMAX",
        "SQRT",
        "SQUARE",
        "SQUARED_DIFFERENCE",
        "SUB",
    ]
)
TRANSCENDENTAL_KINDS = frozenset(["COS", "EXP", "GELU", "LOG", "LOGISTIC", "POW", "SIN", "TANH"])
REDUCTION_KINDS = frozenset(["ARG_MAX", "AVERAGE_POOL_2D", "MAX_POOL_2D", "MEAN", "REDUCE_MAX", "REDUCE_MIN", "SUM"])
RESIZE_KINDS = frozenset({"RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"})
PAD_KINDS = frozenset({"PAD", "PADV2", "MIRROR_PAD"})
MOVE_KINDS = frozenset(
    [
        "BROADCAST_TO",
        "CAST",
        "CONCATENATION",
        "COPY",
        "DEPTH_TO_SPACE",
        "EXPAND_DIMS",
        "GATHER",
        "GATHER_ND",
        "PACK",
        "RESHAPE",
        "SLICE",
        "SPACE_TO_DEPTH",
        "SPLIT",
        "SPLIT_V",
        "SQUEEZE",
        "STRIDED_SLICE",
        "TILE",
        "TRANSPOSE",
        "UNPACK",
    ]
)
KNOWN_KINDS = (
    DENSE_KINDS
    | {DEPTHWISE_KIND, GRAPH_KIND}
    | ELEMENTWISE_KINDS
    | TRANSCENDENTAL_KINDS
    | REDUCTION_KINDS
    | RESIZE_KINDS
    | PAD_KINDS
    | MOVE_KINDS
)
