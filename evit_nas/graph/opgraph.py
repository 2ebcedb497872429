"""The first level of the graph: TFLite operators on named tensors.

Anything that a .tflite file holds fits here: our own lowerings (weights still symbolic) and foreign files (weights as
data). Bytes, peak activation memory and the .tflite writer read this level; kernels (kernel.py) are fused from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np

DTYPE_BYTES: Mapping[str, int] = MappingProxyType(
    {
        "float64": 8,
        "float32": 4,
        "float16": 2,
        "int64": 8,
        "int32": 4,
        "int16": 2,
        "int8": 1,
        "uint64": 8,
        "uint32": 4,
        "uint16": 2,
        "uint8": 1,
        "bool": 1,
    }
)
Scalar = int | float | str | bool
Attrs = tuple[tuple[str, Scalar | tuple[int, ...]], ...]  # sorted by name


@dataclass(frozen=True, slots=True)
class Param:
    """A weight that is not data yet: `recipe` names how it is folded from the official tensors under `source`.

    The recipes are functions of `evit_nas.tflite.weights`; `args` are their further arguments, sorted by name.
    """

    recipe: str
    source: str
    args: Attrs = ()


@dataclass(frozen=True, eq=False, slots=True)
class Tensor:
    """A tensor of the graph. Constant where `data` or `param` is given; else an activation.

    `quantized`: the file it came from gives it a scale, which is not kept; such a graph can be looked at, not written.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    data: np.ndarray[Any, np.dtype[Any]] | None = None
    param: Param | None = None
    quantized: bool = False

    @property
    def constant(self) -> bool:
        return self.data is not None or self.param is not None

    @property
    def size_bytes(self) -> int:
        return prod(self.shape) * DTYPE_BYTES[self.dtype]


@dataclass(frozen=True, slots=True)
class Op:
    """One TFLite operator: `kind` is the builtin's name (`CONV_2D`), inputs and outputs are tensor names ("": absent).

    `attrs` are the fields of the builtin's option table in snake_case with enums by name
    (`padding="SAME"`, `fused_activation="NONE"`, `stride_h=2`).
    `stage` (`stage3`) and `block` (official module path, `backbone.stages.2.op_list.1.context_module.main`) say where
    it came from; "" if unknown.
    """

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attrs: Attrs = ()
    stage: str = ""
    block: str = ""

    def attr(self, name: str, default: Any = None) -> Any:
        for key, value in self.attrs:  # far faster than a generator, and asked for a dozen times an operator
            if key == name:
                return value
        return default


@dataclass(frozen=True, eq=False, slots=True)
class OpGraph:
    """Operators in execution order and every tensor that they name."""

    tensors: Mapping[str, Tensor]
    ops: tuple[Op, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)
