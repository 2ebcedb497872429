"""Writes an OpGraph operator by operator, with the output shapes worked out.

Every method takes tensor names and gives the name of its output. Maps are NHWC: [1, H, W, C]; convolution weights
[out, kh, kw, in / groups], depthwise weights [1, kh, kw, C], as TFLite stores them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from evit_nas.graph.opgraph import Attrs, Op, OpGraph, Param, Tensor

Shape = tuple[int, ...]


class GraphBuilder:
    """A graph under construction. `place` sets the stage and block that the next operators belong to."""

    def __init__(self) -> None:
        self._tensors: dict[str, Tensor] = {}
        self._constants: dict[tuple[str, Shape, bytes], str] = {}
        self._ops: list[Op] = []
        self._inputs: list[str] = []
        self._stage = ""
        self._block = ""

    def place(self, stage: str, block: str) -> None:
        """`stage` and official module path (`Placed.path`) of what follows."""
        self._stage, self._block = stage, block

    @property
    def here(self) -> tuple[str, str]:
        """What `place` was told last."""
        return self._stage, self._block

    @staticmethod
    def of(graph: OpGraph) -> GraphBuilder:
        """A builder that goes on where an emitted `graph` ends."""
        b = GraphBuilder()
        b._tensors, b._ops, b._inputs = dict(graph.tensors), list(graph.ops), list(graph.inputs)
        return b

    def source(self, name: str) -> str:
        """The path of the current block's submodule `name` in the official state_dict."""
        return f"{self._block}.{name}".strip(".")

    def shape(self, name: str) -> Shape:
        return self._tensors[name].shape

    def finish(self, outputs: Sequence[str]) -> OpGraph:
        """The graph so far, ending in `outputs`."""
        return OpGraph(self._tensors, tuple(self._ops), tuple(self._inputs), tuple(outputs))

    # --- tensors

    def _tensor(
        self,
        prefix: str,
        shape: Shape,
        dtype: str = "float32",
        data: np.ndarray[Any, Any] | None = None,
        param: Param | None = None,
    ) -> str:
        name = f"{prefix}{len(self._tensors)}"
        self._tensors[name] = Tensor(name, shape, dtype, data, param)
        return name

    def input(self, shape: Shape) -> str:
        name = self._tensor("input", shape)
        self._inputs.append(name)
        return name

    def constant(self, data: np.ndarray[Any, Any]) -> str:
        """`data` as a constant; equal constants are stored once."""
        key = (data.dtype.str, data.shape, data.tobytes())
        name = self._constants.get(key)
        if name is None:
            name = self._constants[key] = self._tensor("const", data.shape, data.dtype.name, data=data)
        return name

    def integers(self, *values: int) -> str:
        return self.constant(np.array(values, np.int32))

    def zeros(self, count: int) -> str:
        return self.constant(np.zeros(count, np.float32))

    def param(self, shape: Shape, recipe: str, source: str, args: Attrs = ()) -> str:
        """A weight of `shape` that `recipe` makes from the official tensors of the block's submodule `source`."""
        return self._tensor("param", shape, param=Param(recipe, self.source(source), args))

    # --- operators

    def op(self, kind: str, inputs: tuple[str, ...], shape: Shape, attrs: Attrs = (), dtype: str = "float32") -> str:
        output = self._tensor("t", shape, dtype)
        self._ops.append(Op(kind, inputs, (output,), attrs, self._stage, self._block))
        return output

    def conv(
        self, x: str, weight: str, bias: str, *, stride: int = 1, padding: str = "SAME", activation: str = "NONE"
    ) -> str:
        """CONV_2D, grouped where the weights have fewer input channels than the map."""
        cout, kernel = self.shape(weight)[:2]
        _, height, width, _ = self.shape(x)
        shape = (1, _out(height, kernel, stride, padding), _out(width, kernel, stride, padding), cout)
        return self.op("CONV_2D", (x, weight, bias), shape, _conv_attrs(stride, padding, activation))

    def depthwise(
        self, x: str, weight: str, bias: str, *, stride: int = 1, padding: str = "SAME", activation: str = "NONE"
    ) -> str:
        _, kernel_h, kernel_w, channels = self.shape(weight)
        _, height, width, _ = self.shape(x)
        shape = (1, _out(height, kernel_h, stride, padding), _out(width, kernel_w, stride, padding), channels)
        return self.op("DEPTHWISE_CONV_2D", (x, weight, bias), shape, _depthwise_attrs(stride, padding, activation))

    def linear(self, x: str, weight: str, bias: str, activation: str = "NONE") -> str:
        """FULLY_CONNECTED on [1, in] with weights [out, in]."""
        shape = (1, self.shape(weight)[0])
        attrs = (("fused_activation", activation), ("keep_num_dims", False), ("weights_format", "DEFAULT"))
        return self.op("FULLY_CONNECTED", (x, weight, bias), shape, attrs)

    def matmul(self, a: str, b: str) -> str:
        """BATCH_MATMUL [.., m, k] x [.., k, n] -> [.., m, n]."""
        a_shape, b_shape = self.shape(a), self.shape(b)
        batch = np.broadcast_shapes(a_shape[:-2], b_shape[:-2])
        return self.op("BATCH_MATMUL", (a, b), (*batch, a_shape[-2], b_shape[-1]), _MATMUL_ATTRS)

    def binary(self, kind: str, a: str, b: str) -> str:
        """ADD, SUB, MUL, DIV or SQUARED_DIFFERENCE with broadcasting."""
        a_shape, b_shape = self.shape(a), self.shape(b)
        shape = a_shape if a_shape == b_shape else tuple(np.broadcast_shapes(a_shape, b_shape))
        return self.op(kind, (a, b), shape, () if kind == "SQUARED_DIFFERENCE" else _NOT_FUSED)

    def unary(self, kind: str, x: str) -> str:
        """RELU, RELU6, HARD_SWISH, RSQRT: same shape out."""
        return self.op(kind, (x,), self.shape(x))

    def reshape(self, x: str, *shape: int) -> str:
        if prod(shape) != prod(self.shape(x)):
            raise ValueError(f"cannot reshape {self.shape(x)} to {shape}")
        return self.op("RESHAPE", (x, self.integers(*shape)), shape, (("new_shape", shape),))

    def transpose(self, x: str, *order: int) -> str:
        shape = self.shape(x)
        return self.op("TRANSPOSE", (x, self.integers(*order)), tuple(shape[axis] for axis in order))

    def slice(self, x: str, begin: Shape, size: Shape) -> str:
        return self.op("SLICE", (x, self.integers(*begin), self.integers(*size)), size)

    def rows(self, x: str, start: int, stop: int) -> str:
        """Rows start..stop of a map [1, H, W, C]; the map itself where that is all of it."""
        _, height, width, channels = self.shape(x)
        if (start, stop) == (0, height):
            return x
        return self.slice(x, (0, start, 0, 0), (1, stop - start, width, channels))

    def concat(self, parts: Sequence[str], axis: int) -> str:
        """CONCATENATION as a tree of at most four inputs each, the most that the delegate takes."""
        while len(parts) > 1:
            parts = [self._concat(tuple(parts[i : i + 4]), axis) for i in range(0, len(parts), 4)]
        return parts[0]

    def _concat(self, parts: tuple[str, ...], axis: int) -> str:
        if len(parts) == 1:
            return parts[0]
        shape = list(self.shape(parts[0]))
        shape[axis] = sum(self.shape(part)[axis] for part in parts)
        return self.op("CONCATENATION", parts, tuple(shape), (("axis", axis), ("fused_activation", "NONE")))

    def pad(self, x: str, top: int, bottom: int, left: int, right: int) -> str:
        """Zeros around a map [1, H, W, C]; the map itself where there are none."""
        if not (top or bottom or left or right):
            return x
        _, height, width, channels = self.shape(x)
        paddings = self.constant(np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32))
        return self.op("PAD", (x, paddings), (1, height + top + bottom, width + left + right, channels))

    def reduce(self, kind: str, x: str, axes: tuple[int, ...]) -> str:
        """SUM or MEAN over `axes`, which stay as 1."""
        shape = tuple(1 if axis in axes else side for axis, side in enumerate(self.shape(x)))
        return self.op(kind, (x, self.integers(*axes)), shape, (("keep_dims", True),))

    def resize_bilinear(self, x: str, height: int, width: int) -> str:
        """Half-pixel centres, corners not aligned: PyTorch's `align_corners=False`."""
        attrs = (("align_corners", False), ("half_pixel_centers", True))
        size = self.integers(height, width)
        return self.op("RESIZE_BILINEAR", (x, size), (1, height, width, self.shape(x)[-1]), attrs)

    def argmax(self, x: str) -> str:
        """ARG_MAX over the channels: [1, H, W, C] -> int32 [1, H, W]."""
        axis = self.integers(len(self.shape(x)) - 1)
        return self.op("ARG_MAX", (x, axis), self.shape(x)[:-1], (("output_type", "INT32"),), "int32")

    def activate(self, x: str, activation: str) -> str:
        """An activation that no convolution can take with it."""
        return self.unary({"hswish": "HARD_SWISH", "relu": "RELU", "relu6": "RELU6"}[activation], x)


_NOT_FUSED: Attrs = (("fused_activation", "NONE"),)
_MATMUL_ATTRS: Attrs = (("adj_x", False), ("adj_y", False))


def _out(size: int, kernel: int, stride: int, padding: str) -> int:
    return -(-size // stride) if padding == "SAME" else (size - kernel) // stride + 1


@lru_cache(maxsize=64)
def _conv_attrs(stride: int, padding: str, activation: str) -> Attrs:
    return (
        ("dilation_h_factor", 1),
        ("dilation_w_factor", 1),
        ("fused_activation", activation),
        ("padding", padding),
        ("stride_h", stride),
        ("stride_w", stride),
    )


@lru_cache(maxsize=64)
def _depthwise_attrs(stride: int, padding: str, activation: str) -> Attrs:
    return tuple(sorted((*_conv_attrs(stride, padding, activation), ("depth_multiplier", 1))))
