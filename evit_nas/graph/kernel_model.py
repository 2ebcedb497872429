"""A model that holds nothing but copies of one kernel, so that any row of a table can be timed alone."""

from __future__ import annotations

from math import prod, sqrt
from typing import Any

import numpy as np

from evit_nas.errors import InputError
from evit_nas.graph.delegation import BINARY, LITERAL_INPUTS, REDUCTIONS
from evit_nas.graph.kernel import GRAPH_KIND, KernelSignature, TensorType
from evit_nas.graph.opgraph import Attrs, Op, OpGraph, Tensor
from evit_nas.graph.signature import ABSENT, CONVOLUTIONS, LITERAL_PREFIX, attrs_of, parse_literal

# chained where input and output have one shape; all others run side by side: clamps and reshapes would fuse with their
# copies, and products of many copies would end in denormal numbers, which are slow on x86
_CHAINED = frozenset(
    ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "SUB", "HARD_SWISH", "TRANSPOSE", "MAXIMUM", "MINIMUM")
)
_SEED = 0


def kernel_model(signature: KernelSignature, repeats: int = 1) -> OpGraph:
    """`repeats` copies of the kernel with seeded weights: `fuse` gives back `signature`, `repeats` times.

    Chained where the shapes allow it, else side by side. Raises InputError where `repeats` is below 1 or the kind is
    no operator.
    """
    if repeats < 1:
        raise InputError(f"kernel model: {repeats} repeats, must be 1 or more")
    if signature.kind == GRAPH_KIND:
        raise InputError(f"{GRAPH_KIND} is the cost of running a graph at all, not an operator that a model could hold")
    model = _Model(signature)
    for _ in range(repeats):
        model.add()
    return model.graph()


class _Model:
    """A graph under construction: inputs and weights are shared by all copies, outputs are not."""

    def __init__(self, signature: KernelSignature) -> None:
        self.signature = signature
        self._tensors: dict[str, Tensor] = {}
        self._ops: list[Op] = []
        self._values = [self._value(i, kind) for i, kind in enumerate(signature.inputs)]
        self._inputs = tuple(name for name in self._values if not self._tensors[name].constant)
        self._outputs: list[str] = []
        self._chained = _chains(signature)

    def graph(self) -> OpGraph:
        return OpGraph(self._tensors, tuple(self._ops), self._inputs, tuple(self._outputs))

    def add(self) -> None:
        """One more copy of the kernel."""
        signature = self.signature
        inputs = list(self._values)
        if self._chained and self._outputs:
            inputs[0] = self._outputs.pop()
        outputs = tuple(self._tensor("out", kind.shape, kind.dtype) for kind in signature.outputs)
        restored, attrs = _restore(self, inputs)
        self._ops.append(Op(signature.kind, restored, outputs, attrs))
        self._outputs += outputs

    def literal(self, values: Any, shape: tuple[int, ...] | None = None, dtype: str = "int32") -> str:
        """A constant of integers; equal ones share a name."""
        array = np.asarray(values, dtype)
        array = array if shape is None else array.reshape(shape)
        name = f"literal_{dtype}_{list(array.shape)}_{array.reshape(-1).tolist()}"
        self._tensors[name] = Tensor(name, array.shape, dtype, array)
        return name

    def pad(self, source: str, top: int, bottom: int, left: int, right: int) -> str:
        """Zeros around a map."""
        n, height, width, channels = self._tensors[source].shape
        name = self._tensor("padded", (n, height + top + bottom, width + left + right, channels), "float32")
        paddings = self.literal([[0, 0], [top, bottom], [left, right], [0, 0]])
        self._ops.append(Op("PAD", (source, paddings), (name,)))
        return name

    def _tensor(self, prefix: str, shape: tuple[int, ...], dtype: str, data: Any = None) -> str:
        name = f"{prefix}{len(self._tensors)}"
        self._tensors[name] = Tensor(name, shape, dtype, data)
        return name

    def _value(self, position: int, kind: TensorType) -> str:
        data = _weights(self.signature, position, kind) if kind.constant else None
        return self._tensor("weight" if kind.constant else "input", kind.shape, kind.dtype, data)


def _chains(signature: KernelSignature) -> bool:
    """Whether the output of a copy can be the first input of the next."""
    if signature.kind not in _CHAINED or not signature.inputs or signature.inputs[0].constant:
        return False
    return len(signature.outputs) == 1 and signature.outputs[0] == signature.inputs[0]


def _weights(signature: KernelSignature, position: int, kind: TensorType) -> np.ndarray[Any, Any]:
    """Seeded weights that keep the size of the values through a chain; biases and integers are zero."""
    if kind.dtype not in ("float32", "float16") or (len(kind.shape) == 1 and signature.kind not in BINARY):
        return np.zeros(kind.shape, kind.dtype)
    fan_in = prod(kind.shape[1:3]) if signature.kind == "DEPTHWISE_CONV_2D" else prod(kind.shape[1:])
    relu = signature.attr("fused_activation", "NONE") != "NONE"
    limit = 1.0 if signature.kind in BINARY else sqrt((6.0 if relu else 3.0) / max(fan_in, 1))
    values = np.random.default_rng(_SEED + position).uniform(-limit, limit, kind.shape)
    return values.astype(kind.dtype)


# --- from a signature back to an operator: literals become inputs again


def _restore(model: _Model, inputs: list[str]) -> tuple[tuple[str, ...], Attrs]:
    """Inputs and attributes of one copy of the operator."""
    signature = model.signature
    literals = {name for name, _ in signature.attrs if name.startswith(LITERAL_PREFIX)}
    if literals:
        return _restore_builtin(model, inputs)
    kind, attrs = signature.kind, dict(signature.attrs)
    first, out = signature.inputs[0].shape, signature.outputs[0].shape
    if kind in CONVOLUTIONS:
        return _restore_convolution(model, inputs)
    if kind in REDUCTIONS and "axes" in attrs:
        axes = model.literal(attrs["axes"])
        return (*inputs, axes), attrs_of(keep_dims=len(first) == len(out))
    if (kind in LITERAL_INPUTS and len(inputs) > 1 and kind != "TRANSPOSE_CONV") or "new_shape" in attrs:
        return tuple(inputs), signature.attrs
    match kind:
        case "FULLY_CONNECTED":
            return tuple(inputs), attrs_of(**{"keep_num_dims": True} | attrs)
        case "RESHAPE":
            return (*inputs, model.literal(out)), ()
        case "TRANSPOSE":
            return (*inputs, model.literal(attrs["perm"])), ()
        case "PAD":
            return (*inputs, model.literal(attrs["paddings"], (-1, 2))), ()
        case "SLICE":
            return (*inputs, model.literal([0] * len(out)), model.literal(out)), ()
        case "SPLIT":
            return (model.literal(attrs["axis"], ()), *inputs), attrs_of(num_splits=len(signature.outputs))
        case "RESIZE_BILINEAR":
            return (*inputs, model.literal(out[1:3])), signature.attrs
        case "TRANSPOSE_CONV":
            return (model.literal(out), *inputs), signature.attrs
        case "SOFTMAX":
            return tuple(inputs), attrs_of(**{"beta": 1.0} | attrs)
        case _:
            return tuple(inputs), signature.attrs


def _restore_convolution(model: _Model, inputs: list[str]) -> tuple[tuple[str, ...], Attrs]:
    """Padding that is neither SAME nor VALID is a PAD in front, which the runtime takes into the convolution."""
    signature = model.signature
    attrs = dict(signature.attrs)
    pads = attrs.pop("pads", None)
    if isinstance(pads, tuple):
        inputs = [model.pad(inputs[0], *pads), *inputs[1:]]
        attrs["padding"] = "VALID"
    if signature.kind == "DEPTHWISE_CONV_2D":
        attrs["depth_multiplier"] = signature.inputs[1].shape[-1] // signature.inputs[0].shape[-1]
    return tuple(inputs), attrs_of(**attrs)


def _restore_builtin(model: _Model, inputs: list[str]) -> tuple[tuple[str, ...], Attrs]:
    """An operator outside the delegate has its literals by position (`signature.builtin_signature`)."""
    attrs = dict(model.signature.attrs)
    literals = {
        int(name.removeprefix(LITERAL_PREFIX)): str(attrs.pop(name))
        for name in list(attrs)
        if name.startswith(LITERAL_PREFIX)
    }
    rest = iter(inputs)
    restored = []
    for position in range(len(inputs) + len(literals)):
        text = literals.get(position)
        if text is None:
            restored.append(next(rest))
        elif text == ABSENT:
            restored.append("")
        else:
            dtype, shape, values = parse_literal(text)
            restored.append(model.literal(values, shape, dtype))
    return tuple(restored), attrs_of(**attrs)
