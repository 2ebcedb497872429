"""OpGraph -> KernelGraph: what LiteRT 2.3 with XNNPACK really executes.

Found with the profiler and held by tests, kernel by kernel, on whole networks:
- RELU, RELU6 and RELU_N1_TO_1 go into the convolution, fully connected layer, pooling or other clamp before them if
  nothing else reads its result; an activation fused to ADD, SUB, MUL or DIV is a kernel of its own;
- PAD of rows and columns goes into the one convolution that reads it, if that is VALID or SAME at stride 1
  (a 1x1 convolution at stride 1 is a matrix product and takes no padding);
- RESHAPE of a RESHAPE is one copy, and no copy at all where both its input and its output stay inside the partition
  and have one reader each; the runtime still reports an event for it (`Step.free`);
- FULLY_CONNECTED without `keep_num_dims` copies its input first; BATCH_MATMUL with `adj_x` transposes it first;
- MUL of a tensor by itself is SQUARE; STRIDED_SLICE with unit strides is SLICE; dead kernels are dropped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod

from evit_nas.errors import InputError
from evit_nas.graph.delegation import BINARY, CLAMPS, POOLS, Subset, literal, partition
from evit_nas.graph.kernel import Kernel, KernelGraph, RuntimeSpec
from evit_nas.graph.opgraph import Attrs, Op, OpGraph, Tensor
from evit_nas.graph.signature import (
    CONVOLUTIONS,
    Pads,
    attrs_of,
    builtin_signature,
    delegated_attrs,
    is_matrix_product,
    make,
    map_inputs,
)

_TAKES_CLAMP = CONVOLUTIONS | POOLS | {"FULLY_CONNECTED", "TRANSPOSE_CONV"}


@dataclass(frozen=True, slots=True)
class Step:
    """One kernel event of the runtime. `free`: an aliasing RESHAPE that is reported but does nothing."""

    kernel: Kernel
    free: bool = False


def fuse(graph: OpGraph, spec: RuntimeSpec | None = None, *, inside: bool = False) -> KernelGraph:
    """The kernels of `graph` in execution order. Raises InputError: another runtime, a quantised model.

    `inside`: the graph is a block of a larger one, whose one reader of each output is in the same partition.
    """
    spec = spec or RuntimeSpec()
    steps = trace(graph, spec, inside=inside)
    partitions = {step.kernel.partition for step in steps} - {-1}
    return KernelGraph(tuple(step.kernel for step in steps if not step.free), len(partitions), spec)


def trace(graph: OpGraph, spec: RuntimeSpec | None = None, *, inside: bool = False) -> tuple[Step, ...]:
    """Every kernel event that the runtime reports for `graph` (`inside`: see `fuse`), in its order."""
    spec = spec or RuntimeSpec()
    if spec.runtime != "litert" or spec.delegate not in ("xnnpack", "none"):
        raise InputError(f"runtime {spec.runtime}/{spec.delegate}: only litert/xnnpack and litert/none are modelled")
    if any(tensor.quantized for tensor in graph.tensors.values()):
        raise InputError("a quantised model: how the runtime fuses it is not modelled, only float32 is")
    steps: list[Step] = []
    number = 0
    for subset in partition(graph, spec.delegate == "xnnpack"):
        if subset.delegated:
            steps += _Partition(graph, subset, number, inside, spec.joins_reshapes).steps()
            number += 1
        else:
            steps += [_builtin(graph, i) for i in subset.ops]
    return tuple(steps)


def _builtin(graph: OpGraph, index: int) -> Step:
    op = graph.ops[index]
    return Step(Kernel(builtin_signature(op, graph.tensors), (index,), -1, op.stage, op.block))


@dataclass(frozen=True, slots=True)
class _Node:
    """A kernel in the making: `inputs` are maps and weights (no literals), `op` the operator that it comes from."""

    kind: str
    attrs: Attrs
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    op: Op
    ops: tuple[int, ...]


_Combine = Callable[[_Node, _Node], "_Node | None"]


class _Partition:
    """One delegate partition: its operators expanded to nodes, then fused."""

    def __init__(self, graph: OpGraph, subset: Subset, number: int, inside: bool, joins_reshapes: bool) -> None:
        self._number, self._joins_reshapes = number, joins_reshapes
        self._tensors: dict[str, Tensor] = dict(graph.tensors)
        own = set(subset.ops)
        read_outside = {name for i, op in enumerate(graph.ops) if i not in own for name in op.inputs}
        self._external = read_outside | (set() if inside else set(graph.outputs))
        self._read_later = graph.outputs if inside else ()
        self._nodes: list[_Node] = []
        for i in subset.ops:
            self._expand(graph.ops[i], i)
        self._drop_dead()
        self._produced = {name for node in self._nodes for name in node.outputs}

    def steps(self) -> list[Step]:
        """The partition's kernel events in order."""
        if self._joins_reshapes:
            self._fold(_merge_reshapes, at_producer=False)
        self._fold(self._merge_pad, at_producer=False)
        self._fold(_merge_clamp, at_producer=True)
        readers = self._readers()
        return [self._step(node, readers) for node in self._nodes]

    def _step(self, node: _Node, readers: Counter[str]) -> Step:
        inputs = [self._tensors[name] for name in node.inputs]
        outputs = [self._tensors[name] for name in node.outputs]
        signature = make(node.kind, inputs, outputs, node.attrs)
        aliased = self._private(node.inputs[0], readers) and self._private(node.outputs[0], readers)
        kernel = Kernel(signature, node.ops, self._number, node.op.stage, node.op.block)
        return Step(kernel, node.kind == "RESHAPE" and aliased)

    # --- expansion: one operator may be several nodes

    def _expand(self, op: Op, index: int) -> None:
        inputs = tuple(tensor.name for tensor in map_inputs(op, self._tensors))
        attrs = delegated_attrs(op, self._tensors)
        kind, outputs = op.kind, op.outputs
        if kind == "FULLY_CONNECTED" and not op.attr("keep_num_dims", False):
            columns = self._tensors[inputs[1]].shape[-1]
            shape = (prod(self._tensors[inputs[0]].shape) // columns, columns)
            inputs = (self._before("RESHAPE", (), inputs[0], shape, op, index), *inputs[1:])
        elif kind == "BATCH_MATMUL" and op.attr("adj_x", False):
            *batch, rows, columns = self._tensors[inputs[0]].shape
            order = attrs_of(perm=(*range(len(batch)), len(batch) + 1, len(batch)))
            inputs = (self._before("TRANSPOSE", order, inputs[0], (*batch, columns, rows), op, index), inputs[1])
        elif kind == "MUL" and inputs[0] == inputs[1]:
            kind, inputs = "SQUARE", inputs[:1]
        elif kind == "STRIDED_SLICE":
            kind = "SLICE"
        activation = op.attr("fused_activation", "NONE")
        if op.kind not in BINARY or activation == "NONE":
            self._nodes.append(_Node(kind, attrs, inputs, outputs, op, (index,)))
            return
        raw = self._temporary(outputs[0], self._tensors[outputs[0]].shape)
        self._nodes.append(_Node(kind, attrs, inputs, (raw,), op, (index,)))
        self._nodes.append(_Node(activation, (), (raw,), outputs, op, (index,)))

    def _before(self, kind: str, attrs: Attrs, source: str, shape: tuple[int, ...], op: Op, index: int) -> str:
        """Put a node before the operator's own; the name of its output."""
        name = self._temporary(source, shape)
        self._nodes.append(_Node(kind, attrs, (source,), (name,), op, (index,)))
        return name

    def _temporary(self, origin: str, shape: tuple[int, ...]) -> str:
        name = f"{origin}/{len(self._tensors)}"
        self._tensors[name] = Tensor(name, shape)
        return name

    def _drop_dead(self) -> None:
        needed = self._external.union(self._read_later)
        kept = []
        for node in reversed(self._nodes):
            if needed.isdisjoint(node.outputs):
                continue
            needed.update(node.inputs)
            kept.append(node)
        self._nodes = kept[::-1]

    # --- fusion

    def _readers(self) -> Counter[str]:
        return Counter([name for node in self._nodes for name in node.inputs] + list(self._read_later))

    def _private(self, name: str, readers: Counter[str]) -> bool:
        """Produced inside the partition and read there, once, and nowhere else."""
        return name in self._produced and name not in self._external and readers[name] == 1

    def _fold(self, combine: _Combine, at_producer: bool) -> None:
        """Join each node with the producer of its first input where `combine` gives a node for the two."""
        readers = self._readers()
        nodes: list[_Node | None] = []
        place: dict[str, int] = {}
        for node in self._nodes:
            at = place.get(node.inputs[0]) if self._private(node.inputs[0], readers) else None
            producer = None if at is None else nodes[at]
            merged = None if producer is None else combine(producer, node)
            if at is not None and merged is not None and at_producer:
                nodes[at] = merged
            else:
                if at is not None and merged is not None:
                    nodes[at] = None
                at = len(nodes)
                nodes.append(merged or node)
            place.update(dict.fromkeys(node.outputs, at))
        self._nodes = [node for node in nodes if node is not None]

    def _merge_pad(self, pad: _Node, convolution: _Node) -> _Node | None:
        if pad.kind != "PAD" or convolution.kind not in CONVOLUTIONS:
            return None
        paddings = literal(pad.op, 1, self._tensors)
        if len(paddings) != 8 or any(paddings[:2]) or any(paddings[6:]):
            return None
        op = convolution.op
        strided = (op.attr("stride_h", 1), op.attr("stride_w", 1)) != (1, 1)
        if is_matrix_product(op, self._tensors) or (strided and op.attr("padding", "SAME") == "SAME"):
            return None
        pads: Pads = (paddings[2], paddings[3], paddings[4], paddings[5])
        attrs = delegated_attrs(op, self._tensors, pads)
        inputs = (pad.inputs[0], *convolution.inputs[1:])
        return replace(convolution, attrs=attrs, inputs=inputs, ops=pad.ops + convolution.ops)


def _merge_reshapes(first: _Node, second: _Node) -> _Node | None:
    if not first.kind == "RESHAPE" == second.op.kind:  # the copy before a FULLY_CONNECTED stays on its own
        return None
    return replace(second, inputs=first.inputs, ops=first.ops + second.ops)


def _merge_clamp(producer: _Node, clamp: _Node) -> _Node | None:
    if clamp.kind not in CLAMPS:
        return None
    ops = producer.ops + clamp.ops
    if producer.kind in CLAMPS:
        return replace(producer, kind=_both(producer.kind, clamp.kind), outputs=clamp.outputs, ops=ops)
    if producer.kind not in _TAKES_CLAMP:
        return None
    attrs = dict(producer.attrs)
    attrs["fused_activation"] = _both(str(attrs["fused_activation"]), clamp.kind)
    return replace(producer, attrs=attrs_of(**attrs), outputs=clamp.outputs, ops=ops)


def _both(first: str, second: str) -> str:
    """The clamp that two in a row amount to; [0, 1] has no name of its own and costs what any clamp does."""
    bounds = [CLAMPS[name] for name in (first, second) if name != "NONE"]
    low, high = max(low for low, _ in bounds), min(high for _, high in bounds)
    return next((name for name, range_ in CLAMPS.items() if range_ == (low, high)), "RELU_N1_TO_1")
