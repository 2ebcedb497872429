"""Which kernel of a graph each profiler event belongs to.

The names that XNNPACK prints change with version and CPU, so they are no keys; they only confirm here that graph and
events run in step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evit_nas.errors import InputError
from evit_nas.graph.delegation import BINARY, UNARY
from evit_nas.graph.fuse import Step, trace
from evit_nas.graph.kernel import Kernel, RuntimeSpec
from evit_nas.graph.opgraph import OpGraph
from evit_nas.tflite.runtime_types import KernelEvent

_CONVOLUTION = ("Convolution", "Fully Connected", "Depthwise Convolution")
_NAMES: Mapping[str, tuple[str, ...]] = {
    "CONV_2D": _CONVOLUTION,
    "DEPTHWISE_CONV_2D": _CONVOLUTION,
    "FULLY_CONNECTED": ("Fully Connected",),
    "TRANSPOSE_CONV": ("Deconvolution",),
    "BATCH_MATMUL": ("Batch Matrix Multiply",),
    "RESHAPE": ("Static Reshape", "Copy"),
    "TRANSPOSE": ("Transpose",),
    "SLICE": ("Slice",),
    "PAD": ("Constant Pad",),
    "CONCATENATION": ("Copy", "Concatenate"),
    "SPLIT": ("Copy", "Even Split"),
    "RESIZE_BILINEAR": ("Resize Bilinear",),
    "SUM": ("Sum",),
    "MEAN": ("Mean", "Sum"),
    "REDUCE_MAX": ("Reduce Max",),
    "REDUCE_MIN": ("Reduce Min",),
    "MAX_POOL_2D": ("Max Pooling", "Copy"),
    "AVERAGE_POOL_2D": ("Average Pooling", "Copy"),
    "SOFTMAX": ("Softmax",),
    "DEPTH_TO_SPACE": ("Depth To Space",),
    "SPACE_TO_DEPTH": ("Space To Depth",),
    "ADD": ("Add",),
    "SUB": ("Subtract",),
    "MUL": ("Multiply",),
    "DIV": ("Divide",),
    "MAXIMUM": ("Maximum",),
    "MINIMUM": ("Minimum",),
    "SQUARED_DIFFERENCE": ("Squared Difference",),
    "PRELU": ("PReLU",),
    "RELU": ("Clamp",),
    "RELU6": ("Clamp",),
    "RELU_N1_TO_1": ("Clamp",),
    "HARD_SWISH": ("HardSwish",),
    "LOGISTIC": ("Sigmoid",),
    "TANH": ("TanH",),
    "SQRT": ("Square Root",),
    "RSQRT": ("Reciprocal Square Root",),
    "EXP": ("Exp",),
    "NEG": ("Negate",),
    "ABS": ("Abs",),
    "SQUARE": ("Square",),
    "GELU": ("GELU", "ApproxGELU"),
    "ELU": ("ELU",),
    "FLOOR": ("Floor",),
    "CEIL": ("Ceiling",),
    "ROUND": ("Bankders Rounding", "Bankers Rounding"),
    "SIN": ("Sine",),
    "COS": ("Cosine",),
    "LOG": ("Log",),
    "LEAKY_RELU": ("LeakyReLU",),
}
_GENERIC: Mapping[str, frozenset[str]] = {"Unary Elementwise": UNARY, "Binary Elementwise": BINARY}


def match_events(
    graph: OpGraph, events: Sequence[KernelEvent], spec: RuntimeSpec | None = None
) -> tuple[tuple[Kernel, KernelEvent], ...]:
    """Each kernel of `fuse(graph)` with its event, in order. Events of reshapes that copy nothing are left out.

    Raises InputError where events and graph are not in step: it names the first place where they differ.
    """
    steps = trace(graph, spec)
    for i, (step, event) in enumerate(zip(steps, events, strict=False)):
        if not _agree(step, event):
            raise InputError(
                f"kernel {i} is {step.kernel.signature.kind} in the graph, the profiler says {event.name!r}"
            )
    if len(steps) != len(events):
        raise InputError(f"the graph has {len(steps)} kernels, the profiler reports {len(events)}")
    return tuple((step.kernel, event) for step, event in zip(steps, events, strict=True) if not step.free)


def _agree(step: Step, event: KernelEvent) -> bool:
    kind = step.kernel.signature.kind
    if event.kind == "builtin":
        return step.kernel.partition == -1 and event.name in (kind, kind.removeprefix("CUSTOM:"))
    if step.kernel.partition == -1:
        return False
    generic = next((kinds for name, kinds in _GENERIC.items() if event.name.startswith(name)), None)
    return kind in generic if generic is not None else event.name.startswith(_NAMES.get(kind, ()))
