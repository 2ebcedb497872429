"""The second level of the graph: what a runtime really executes. Table keys and predictor features read this level.

A signature is what is computed and nothing else: device, threads and runtime are conditions and belong to the table.
The names that a runtime prints are never keys.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any

from evit_nas.errors import InputError
from evit_nas.graph.opgraph import DTYPE_BYTES, Attrs

GRAPH_KIND = "GRAPH"  # the pseudo kernel of running a graph at all


@dataclass(frozen=True, slots=True)
class TensorType:
    """Shape, dtype and whether the tensor is constant."""

    shape: tuple[int, ...]
    dtype: str = "float32"
    constant: bool = False

    @property
    def size_bytes(self) -> int:
        return prod(self.shape) * DTYPE_BYTES[self.dtype]


@dataclass(frozen=True)
class KernelSignature:
    """Kind (TFLite builtin name), all input and output types and the attributes that change the computation."""

    kind: str
    inputs: tuple[TensorType, ...]
    outputs: tuple[TensorType, ...]
    attrs: Attrs = ()

    @cached_property
    def key(self) -> str:
        """Canonical text of the signature, the key of a table row: compact JSON, fields and attributes sorted."""
        document = {
            "kind": self.kind,
            "in": [_pack(t) for t in self.inputs],
            "out": [_pack(t) for t in self.outputs],
            "attrs": dict(self.attrs),
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":"))

    @staticmethod
    def parse(key: str) -> KernelSignature:
        """The signature that `key` stands for. Raises InputError where the text is not one."""
        try:
            document = json.loads(key)
            attrs = tuple(sorted((k, tuple(v) if isinstance(v, list) else v) for k, v in document["attrs"].items()))
            signature = KernelSignature(document["kind"], _unpack(document["in"]), _unpack(document["out"]), attrs)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"not a kernel signature: {key[:80]!r} ({error})") from None
        if signature.key != key:
            raise InputError(f"not a canonical kernel signature: {key[:80]!r}")
        return signature

    def attr(self, name: str, default: Any = None) -> Any:
        for key, value in self.attrs:
            if key == name:
                return value
        return default

    @property
    def activation_bytes(self) -> int:
        """Bytes of non-constant inputs and of outputs."""
        return sum(t.size_bytes for t in self.inputs if not t.constant) + sum(t.size_bytes for t in self.outputs)

    @property
    def weight_bytes(self) -> int:
        return sum(t.size_bytes for t in self.inputs if t.constant)


def _pack(t: TensorType) -> str:
    return "x".join(map(str, t.shape)) + ":" + t.dtype + (":const" if t.constant else "")


def _unpack(texts: list[str]) -> tuple[TensorType, ...]:
    types = []
    for text in texts:
        shape, dtype, *rest = text.split(":")
        if dtype not in DTYPE_BYTES or rest not in ([], ["const"]):
            raise ValueError(f"bad tensor type {text!r}")
        dims = tuple(int(side) for side in shape.split("x")) if shape else ()
        types.append(TensorType(dims, dtype, bool(rest)))
    return tuple(types)


@dataclass(frozen=True, slots=True)
class Kernel:
    """One executed kernel. `partition` is the delegate partition it runs in, -1 for a builtin outside the delegate."""

    signature: KernelSignature
    ops: tuple[int, ...]  # indices into the OpGraph's operators
    partition: int = 0
    stage: str = ""
    block: str = ""


@dataclass(frozen=True, slots=True)
class RuntimeSpec:
    """How a runtime fuses and partitions. XNNPACK inside LiteRT 2.3 is the default.

    `joins_reshapes`: a RESHAPE of a RESHAPE is one kernel; in the builds of XNNPACK that TensorFlow Lite had it is two.
    """

    runtime: str = "litert"
    delegate: str = "xnnpack"
    joins_reshapes: bool = True


@dataclass(frozen=True, slots=True)
class KernelGraph:
    """Kernels in execution order."""

    kernels: tuple[Kernel, ...]
    partitions: int
    spec: RuntimeSpec = field(default_factory=RuntimeSpec)
