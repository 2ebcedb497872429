"""From an operator to the signature of the kernel that does it: only what changes the computation stays.

Kernel sizes, groups and output sizes follow from the shapes. Short integer literals (orders, axes, paddings) are
attributes, not inputs. `SLICE` has no offset: the copy is the same wherever it starts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from evit_nas.errors import InputError
from evit_nas.graph.delegation import LITERAL_INPUTS, POOLS, REDUCTIONS, Tensors, literal, same_padding
from evit_nas.graph.kernel import KernelSignature, TensorType
from evit_nas.graph.opgraph import Attrs, Op, Tensor

LITERAL_PREFIX = "literal_"  # attribute of a builtin operator: the literal at this input position
ABSENT = "absent"
MAX_LITERAL = 64  # integer constants up to this many elements are attributes of a builtin operator
Pads = tuple[int, int, int, int]  # top, bottom, left, right
CONVOLUTIONS = frozenset(("CONV_2D", "DEPTHWISE_CONV_2D"))

_KEPT_ATTRS: Mapping[str, tuple[str, ...]] = {
    "TRANSPOSE_CONV": ("padding", "stride_h", "stride_w", "fused_activation"),
    "RESIZE_BILINEAR": ("align_corners", "half_pixel_centers"),
    "DEPTH_TO_SPACE": ("block_size",),
    "SPACE_TO_DEPTH": ("block_size",),
    "GELU": ("approximate",),
    "LEAKY_RELU": ("alpha",),
}
_DEFAULTS: Mapping[str, Any] = {
    "fused_activation": "NONE",
    "align_corners": False,
    "half_pixel_centers": False,
    "approximate": False,
}


def tensor_type(tensor: Tensor) -> TensorType:
    return TensorType(tensor.shape, tensor.dtype, tensor.constant)


def attrs_of(**values: Any) -> Attrs:
    """Attributes sorted by name."""
    return tuple(sorted(values.items()))


def make(kind: str, inputs: Sequence[Tensor], outputs: Sequence[Tensor], attrs: Attrs = ()) -> KernelSignature:
    """A signature from tensors."""
    return KernelSignature(kind, tuple(map(tensor_type, inputs)), tuple(map(tensor_type, outputs)), attrs)


def delegated_attrs(op: Op, tensors: Tensors, pads: Pads | None = None) -> Attrs:
    """Attributes of a delegated operator's kernel; `pads` are those of a PAD that went into it."""
    kind = op.kind
    if kind in CONVOLUTIONS or kind in POOLS:
        return _window_attrs(op, tensors, pads)
    if kind in REDUCTIONS:
        rank = len(tensors[op.inputs[0]].shape)
        return attrs_of(axes=tuple(sorted({axis % rank for axis in literal(op, 1, tensors)})))
    match kind:
        case "FULLY_CONNECTED":
            return attrs_of(fused_activation=op.attr("fused_activation", "NONE"))
        case "BATCH_MATMUL":
            return attrs_of(adj_y=bool(op.attr("adj_y", False)))
        case "TRANSPOSE":
            return attrs_of(perm=literal(op, 1, tensors))
        case "PAD":
            return attrs_of(paddings=literal(op, 1, tensors))
        case "CONCATENATION":
            return attrs_of(axis=op.attr("axis", 0) % len(tensors[op.outputs[0]].shape))
        case "SPLIT":
            return attrs_of(axis=literal(op, 0, tensors)[0] % len(tensors[op.outputs[0]].shape))
        case _:
            return tuple(sorted((name, op.attr(name, _DEFAULTS.get(name))) for name in _KEPT_ATTRS.get(kind, ())))


def window(op: Op, tensors: Tensors) -> tuple[int, int]:
    """Height and width of a convolution's or a pooling's window."""
    if op.kind in CONVOLUTIONS:
        _, height, width, _ = tensors[op.inputs[1]].shape
        return height, width
    return op.attr("filter_height"), op.attr("filter_width")


def is_matrix_product(op: Op, tensors: Tensors) -> bool:
    """Whether the convolution is an ungrouped 1x1 at stride 1, which the delegate runs as a fully connected layer."""
    dense = op.kind == "CONV_2D" and tensors[op.inputs[1]].shape[-1] == tensors[op.inputs[0]].shape[-1]
    return dense and window(op, tensors) == (1, 1) and _strides(op) == (1, 1)


def own_pads(op: Op, tensors: Tensors) -> Pads:
    """The padding that a convolution or pooling does itself."""
    if op.attr("padding", "SAME") == "VALID":
        return (0, 0, 0, 0)
    _, height, width, _ = tensors[op.inputs[0]].shape
    return _same_pads((height, width), window(op, tensors), _strides(op), _dilations(op))


def _window_attrs(op: Op, tensors: Tensors, pads: Pads | None) -> Attrs:
    """Padding is SAME or VALID where the numbers are those, else EXPLICIT with them in `pads`."""
    total = own_pads(op, tensors)
    _, height, width, _ = tensors[op.inputs[0]].shape
    if pads is not None:
        total = (total[0] + pads[0], total[1] + pads[1], total[2] + pads[2], total[3] + pads[3])
        height, width = height - pads[0] - pads[1], width - pads[2] - pads[3]
    values: dict[str, Any] = {"stride_h": _strides(op)[0], "stride_w": _strides(op)[1]}
    values["fused_activation"] = op.attr("fused_activation", "NONE")
    if not any(total):
        values["padding"] = "VALID"
    elif total == _same_pads((height, width), window(op, tensors), _strides(op), _dilations(op)):
        values["padding"] = "SAME"
    else:
        values |= {"padding": "EXPLICIT", "pads": total}
    if _dilations(op) != (1, 1):
        values["dilation_h_factor"], values["dilation_w_factor"] = _dilations(op)
    if op.kind in POOLS:
        values["filter_height"], values["filter_width"] = window(op, tensors)
    return attrs_of(**values)


def _same_pads(
    size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]
) -> Pads:
    return (
        *same_padding(size[0], kernel[0], stride[0], dilation[0]),
        *same_padding(size[1], kernel[1], stride[1], dilation[1]),
    )


def _strides(op: Op) -> tuple[int, int]:
    return op.attr("stride_h", 1), op.attr("stride_w", 1)


def _dilations(op: Op) -> tuple[int, int]:
    return op.attr("dilation_h_factor", 1), op.attr("dilation_w_factor", 1)


def map_inputs(op: Op, tensors: Tensors) -> list[Tensor]:
    """The inputs of a delegated operator that are maps or weights, in order."""
    literals = LITERAL_INPUTS.get(op.kind, ())
    return [tensors[name] for i, name in enumerate(op.inputs) if name and i not in literals]


def builtin_signature(op: Op, tensors: Tensors) -> KernelSignature:
    """Signature of an operator outside the delegate: all its attributes, short integer constants as `literal_<i>`."""
    attrs: dict[str, Any] = dict(op.attrs)
    inputs = []
    for i, name in enumerate(op.inputs):
        if not name:
            attrs[f"{LITERAL_PREFIX}{i}"] = ABSENT
        elif _is_literal(tensors[name]):
            attrs[f"{LITERAL_PREFIX}{i}"] = _literal_text(tensors[name])
        else:
            inputs.append(tensors[name])
    return make(op.kind, inputs, [tensors[name] for name in op.outputs], attrs_of(**attrs))


def _is_literal(tensor: Tensor) -> bool:
    return tensor.data is not None and tensor.dtype in ("int32", "int64", "bool") and tensor.data.size <= MAX_LITERAL


def _literal_text(tensor: Tensor) -> str:
    """`int32[2]:0,1`: dtype, shape and values of a short constant."""
    assert tensor.data is not None
    values = ",".join(str(int(value)) for value in tensor.data.reshape(-1))
    return f"{tensor.dtype}[{','.join(map(str, tensor.shape))}]:{values}"


def parse_literal(text: str) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    """Dtype, shape and values of `int32[2]:0,1`. Raises InputError where the text is not one."""
    match = re.fullmatch(r"(int32|int64|bool)\[([\d,]*)\]:([-\d,]*)", text)
    if match is None:
        raise InputError(f"not a literal of a kernel signature: {text[:80]!r}")
    dtype, shape, values = match.groups()
    sides, numbers = (tuple(int(part) for part in group.split(",") if part) for group in (shape, values))
    if len(numbers) != prod(sides):
        raise InputError(f"not a literal of a kernel signature: {text[:80]!r}")
    return dtype, sides, numbers
