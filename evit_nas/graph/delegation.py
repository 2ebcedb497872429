"""Which operators XNNPACK takes inside LiteRT 2.3, and the order in which the cut graph runs.

The conditions were found by profiling one-operator models with ai-edge-litert 2.3 (float32, x86-64); the tests hold
them against the installed runtime. Partitioning is TFLite's greedy one (tensorflow/lite/graph_info.cc).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evit_nas.graph.opgraph import Op, OpGraph, Tensor

Tensors = Mapping[str, Tensor]

CLAMPS: Mapping[str, tuple[float, float]] = {
    "RELU": (0.0, float("inf")),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
}
_UNARY_PLAIN = ("HARD_SWISH", "LOGISTIC", "TANH", "GELU", "ELU", "LEAKY_RELU", "SQRT", "RSQRT", "SQUARE", "EXP", "LOG")
UNARY = frozenset((*CLAMPS, *_UNARY_PLAIN, "NEG", "ABS", "FLOOR", "CEIL", "ROUND", "SIN", "COS"))
BINARY = frozenset(["ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE"])
REDUCTIONS = frozenset(["SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN"])
POOLS = frozenset(("MAX_POOL_2D", "AVERAGE_POOL_2D"))
_FUSABLE_ACTIVATIONS = frozenset(("NONE", *CLAMPS))
_MAX_RANK = 6
_MAX_CONCATENATED = 5
_MAX_SPLITS = 4

# inputs that must be constant: weights, biases, and the literals that shape the work
_CONSTANT_INPUTS: Mapping[str, tuple[int, ...]] = {
    "CONV_2D": (1, 2),
    "DEPTHWISE_CONV_2D": (1, 2),
    "FULLY_CONNECTED": (1, 2),
    "TRANSPOSE_CONV": (0, 1, 3),
    "PRELU": (1,),
    "RESHAPE": (1,),
    "TRANSPOSE": (1,),
    "SLICE": (1, 2),
    "STRIDED_SLICE": (1, 2, 3),
    "PAD": (1,),
    "SPLIT": (0,),
    "RESIZE_BILINEAR": (1,),
    **dict.fromkeys(REDUCTIONS, (1,)),
}
# inputs that are literals (int32), by operator; every other one is a map or a weight
LITERAL_INPUTS: Mapping[str, tuple[int, ...]] = {
    "TRANSPOSE_CONV": (0,),
    "RESHAPE": (1,),
    "TRANSPOSE": (1,),
    "SLICE": (1, 2),
    "STRIDED_SLICE": (1, 2, 3),
    "PAD": (1,),
    "SPLIT": (0,),
    "RESIZE_BILINEAR": (1,),
    **dict.fromkeys(REDUCTIONS, (1,)),
}
_OTHER_KINDS = frozenset(
    ["CONCATENATION", "BATCH_MATMUL", "SOFTMAX", "DEPTH_TO_SPACE", "SPACE_TO_DEPTH", "MAX_POOL_2D", "AVERAGE_POOL_2D"]
)
DELEGATED_KINDS = UNARY | BINARY | frozenset(_CONSTANT_INPUTS) | _OTHER_KINDS


@dataclass(frozen=True, slots=True)
class Subset:
    """Operators that run together: one delegate partition, or builtins one after the other."""

    delegated: bool
    ops: tuple[int, ...]


def is_delegated(op: Op, tensors: Tensors) -> bool:
    """Whether XNNPACK takes the operator."""
    if op.kind not in DELEGATED_KINDS or op.attr("fused_activation", "NONE") not in _FUSABLE_ACTIVATIONS:
        return False
    constants = _CONSTANT_INPUTS.get(op.kind, ())
    if any(not _is_constant(op, i, tensors) for i in constants):
        return False
    literals = LITERAL_INPUTS.get(op.kind, ())
    values = [tensors[name] for i, name in enumerate(op.inputs) if name and i not in literals]
    values += [tensors[name] for name in op.outputs]
    if any(value.dtype != "float32" or len(value.shape) > _MAX_RANK for value in values):
        return False
    if any(tensors[op.inputs[i]].dtype != "int32" for i in literals if i < len(op.inputs)):
        return False
    return _fits(op, tensors)


def _is_constant(op: Op, position: int, tensors: Tensors) -> bool:
    if position >= len(op.inputs) or not op.inputs[position]:
        return True
    return tensors[op.inputs[position]].constant


def _fits(op: Op, tensors: Tensors) -> bool:
    """The conditions on attributes and literals that single kinds have."""
    match op.kind:
        case "CONCATENATION":
            return 2 <= len(op.inputs) <= _MAX_CONCATENATED
        case "SPLIT":
            return 2 <= len(op.outputs) <= _MAX_SPLITS
        case "SOFTMAX":
            return bool(op.attr("beta", 1.0) == 1.0)
        case "SLICE":
            return all(side > 0 for side in literal(op, 2, tensors))
        case "STRIDED_SLICE":
            masks = ("ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
            return all(step == 1 for step in literal(op, 3, tensors)) and not any(op.attr(name, 0) for name in masks)
        case "MAX_POOL_2D" | "AVERAGE_POOL_2D":
            window = op.attr("filter_height", 0) * op.attr("filter_width", 0)
            return bool(window > 1 or op.attr("stride_h", 1) * op.attr("stride_w", 1) == 1)
        case _:
            return True


def literal(op: Op, position: int, tensors: Tensors) -> tuple[int, ...]:
    """The integers of a constant input, flattened; empty where the input is absent or not data."""
    if position >= len(op.inputs) or not op.inputs[position]:
        return ()
    data = tensors[op.inputs[position]].data
    return () if data is None else tuple(int(value) for value in data.reshape(-1))


def partition(graph: OpGraph, delegate: bool = True) -> list[Subset]:
    """The graph's operators in the order in which they run, cut into subsets.

    Every pass takes all operators of one sort whose inputs are ready, so that a builtin may move ahead of its place.
    """
    sorts = [delegate and is_delegated(op, graph.tensors) for op in graph.ops]
    produced = {name for op in graph.ops for name in op.outputs}
    ready = {name for name in graph.tensors if name not in produced} | {""}
    waiting = list(range(len(graph.ops)))
    subsets: list[Subset] = []
    while waiting:
        taken = _take(graph, sorts, waiting, ready)
        if not taken:
            break
        subsets.append(Subset(sorts[taken[0]], tuple(taken)))
        done = set(taken)
        waiting = [i for i in waiting if i not in done]
    return subsets


def _take(graph: OpGraph, sorts: list[bool], waiting: list[int], ready: set[str]) -> list[int]:
    """The operators of the next subset, in the order taken: the first ready one decides its sort."""
    taken: list[int] = []
    left = waiting
    while True:
        skipped = []
        for i in left:
            op = graph.ops[i]
            if (taken and sorts[i] != sorts[taken[0]]) or not ready.issuperset(op.inputs):
                skipped.append(i)
                continue
            taken.append(i)
            ready.update(op.outputs)
        if len(skipped) == len(left):
            return taken
        left = skipped


def same_padding(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """TFLite's SAME padding before and after one axis, in elements."""
    total = max((-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2
