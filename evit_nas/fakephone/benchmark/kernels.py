"""What the runtime makes of a model: which operators XNNPACK takes, what it fuses, in which order it runs.

Behaviour of LiteRT 2.3 on float32 models, as its own profiler shows it; written for the fake phone alone.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from math import prod

from evit_nas.fakephone.benchmark.model_file import FileModel, FileOperator, FileTensor

_CLAMPS = {1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6"}  # schema.ActivationFunctionType
_CLAMP_KINDS = frozenset(_CLAMPS.values())
_BINARY = frozenset(("ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE"))
_SMOOTH = frozenset(("HARD_SWISH", "LOGISTIC", "TANH", "GELU", "ELU", "LEAKY_RELU", "SQRT", "RSQRT", "EXP", "LOG"))
_STEPS = frozenset(("SQUARE", "NEG", "ABS", "FLOOR", "CEIL", "ROUND", "SIN", "COS"))
_UNARY = _CLAMP_KINDS | _SMOOTH | _STEPS
_REDUCTIONS = frozenset(("SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN"))
_POOLS = frozenset(("MAX_POOL_2D", "AVERAGE_POOL_2D"))
_WINDOWED = frozenset(("CONV_2D", "DEPTHWISE_CONV_2D"))
_CLAMPABLE = _WINDOWED | _POOLS | {"FULLY_CONNECTED", "TRANSPOSE_CONV"}
# operands that must be constants, and those of them that are integers which shape the work
_CONSTANTS = {
    "CONV_2D": (1, 2), "DEPTHWISE_CONV_2D": (1, 2), "FULLY_CONNECTED": (1, 2), "TRANSPOSE_CONV": (0, 1, 3),
    "PRELU": (1,),
}  # fmt: skip
_LITERALS: dict[str, tuple[int, ...]] = {
    "RESHAPE": (1,), "TRANSPOSE": (1,), "SLICE": (1, 2), "STRIDED_SLICE": (1, 2, 3), "PAD": (1,), "SPLIT": (0,),
    "RESIZE_BILINEAR": (1,), "TRANSPOSE_CONV": (0,), **dict.fromkeys(_REDUCTIONS, (1,)),
}  # fmt: skip
_PLAIN = frozenset(("CONCATENATION", "BATCH_MATMUL", "SOFTMAX", "DEPTH_TO_SPACE", "SPACE_TO_DEPTH"))
_TAKEN = _BINARY | _UNARY | _POOLS | _PLAIN | frozenset(_CONSTANTS) | frozenset(_LITERALS)
_MAX_RANK, _MAX_JOINED, _MAX_SPLIT = 6, 5, 4


@dataclass(frozen=True, slots=True)
class FusedKernel:
    """One event of the runtime's profiler. `node`: index of the operator it comes from; `partition` -1: a builtin.

    `inputs` and `outputs` are shapes, without the integers that shape the work; `weights` are the constant ones.
    `depth` of a product of matrices, either of which may be constant: the terms of one output.
    """

    kind: str
    node: int
    partition: int
    inputs: tuple[tuple[int, ...], ...]
    outputs: tuple[tuple[int, ...], ...]
    weights: tuple[tuple[int, ...], ...]
    output_names: tuple[str, ...] = ()
    window_stride: int = 1
    depth: int = 0
    free: bool = False


@dataclass(slots=True)
class _Piece:
    """A kernel in the making, on tensors by index; made-up tensors have negative indices below -1."""

    kind: str
    node: int
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    operator: FileOperator
    clamped: bool = False
    shapes: dict[int, tuple[int, ...]] = field(default_factory=dict)


def kernels_of(model: FileModel, delegate: bool = True) -> tuple[FusedKernel, ...]:
    """Every kernel in the order in which it runs."""
    kernels: list[FusedKernel] = []
    partition = 0
    for taken, nodes in _subsets(model, delegate):
        if taken:
            kernels += _Partition(model, nodes, partition).kernels()
            partition += 1
        else:
            kernels += [_builtin(model, node) for node in nodes]
    return tuple(kernels)


def delegated_count(model: FileModel) -> tuple[int, int]:
    """Number of operators that the delegate takes, and of its partitions."""
    taken = [nodes for delegated, nodes in _subsets(model, True) if delegated]
    return sum(map(len, taken)), len(taken)


def _subsets(model: FileModel, delegate: bool) -> list[tuple[bool, list[int]]]:
    """Greedy partitioning: each subset takes every operator of its sort that is ready."""
    sorts = [delegate and _is_taken(model, operator) for operator in model.operators]
    written = {tensor for operator in model.operators for tensor in operator.outputs}
    ready = {i for i in range(-1, len(model.tensors)) if i not in written}
    waiting = list(range(len(sorts)))
    subsets: list[tuple[bool, list[int]]] = []
    while waiting:
        first = next((node for node in waiting if ready.issuperset(model.operators[node].inputs)), None)
        if first is None:
            break
        nodes: list[int] = []
        grown = True
        while grown:
            grown = False
            for node in list(waiting):
                operator = model.operators[node]
                if sorts[node] == sorts[first] and ready.issuperset(operator.inputs):
                    nodes.append(node)
                    waiting.remove(node)
                    ready.update(operator.outputs)
                    grown = True
        subsets.append((sorts[first], nodes))
    return subsets


def _is_taken(model: FileModel, operator: FileOperator) -> bool:
    kind, options = operator.kind, operator.options
    if kind not in _TAKEN or options.get("fusedActivationFunction", 0) not in (0, *_CLAMPS):
        return False
    literals = _LITERALS.get(kind, ())
    for place, index in enumerate(operator.inputs):
        if index < 0:
            continue
        tensor = model.tensors[index]
        must_be_constant = place in literals or place in _CONSTANTS.get(kind, ())
        if must_be_constant and not tensor.constant:
            return False
        if place not in literals and not (tensor.is_float32 and len(tensor.shape) <= _MAX_RANK):
            return False
    return all(model.tensors[i].is_float32 for i in operator.outputs) and _fits(model, operator)


def _fits(model: FileModel, operator: FileOperator) -> bool:
    options = operator.options
    match operator.kind:
        case "CONCATENATION":
            return 2 <= len(operator.inputs) <= _MAX_JOINED
        case "SPLIT":
            return 2 <= len(operator.outputs) <= _MAX_SPLIT
        case "SOFTMAX":
            return bool(options.get("beta", 1.0) == 1.0)
        case "SLICE":
            return all(size > 0 for size in model.tensors[operator.inputs[2]].integers)
        case "STRIDED_SLICE":
            masks = ("ellipsisMask", "newAxisMask", "shrinkAxisMask")
            steps = model.tensors[operator.inputs[3]].integers
            return all(step == 1 for step in steps) and not any(options.get(mask, 0) for mask in masks)
        case "MAX_POOL_2D" | "AVERAGE_POOL_2D":
            return bool(
                options["filterHeight"] * options["filterWidth"] > 1 or options["strideH"] * options["strideW"] == 1
            )
    return True


def _values(model: FileModel, operator: FileOperator) -> tuple[int, ...]:
    literals = _LITERALS.get(operator.kind, ())
    return tuple(index for place, index in enumerate(operator.inputs) if index >= 0 and place not in literals)


def _builtin(model: FileModel, node: int) -> FusedKernel:
    operator = model.operators[node]
    reads = _values(model, operator)
    piece = _Piece(operator.kind, node, reads, operator.outputs, operator)
    return _finished(model.tensors, piece, -1, False)


def _finished(tensors: tuple[FileTensor, ...], piece: _Piece, partition: int, free: bool) -> FusedKernel:
    def shape(index: int) -> tuple[int, ...]:
        return piece.shapes[index] if index in piece.shapes else tensors[index].shape

    constants = [index for index in piece.reads if index >= 0 and tensors[index].constant]
    options = piece.operator.options
    return FusedKernel(
        kind=piece.kind,
        node=piece.node,
        partition=partition,
        inputs=tuple(shape(index) for index in piece.reads if index not in constants),
        outputs=tuple(shape(index) for index in piece.writes),
        weights=tuple(shape(index) for index in constants),
        output_names=tuple(tensors[index].name for index in piece.writes if index >= 0),
        window_stride=max(options.get("strideH", 1), options.get("strideW", 1)),
        depth=shape(piece.reads[0])[-1] if piece.kind == "BATCH_MATMUL" else 0,
        free=free,
    )


class _Partition:
    """One delegate partition: expanded to pieces, dead ones dropped, then fused."""

    def __init__(self, model: FileModel, nodes: list[int], number: int) -> None:
        self._model, self._number = model, number
        own = set(nodes)
        self._outside = set(model.outputs)
        for node, operator in enumerate(model.operators):
            if node not in own:
                self._outside.update(operator.inputs)
        self._made = -1
        self._shapes: dict[int, tuple[int, ...]] = {}
        self._pieces: list[_Piece] = []
        for node in nodes:
            self._expand(node)
        self._drop_dead()

    def kernels(self) -> list[FusedKernel]:
        self._join_reshapes()
        self._join_pads()
        self._join_clamps()
        produced = {index for piece in self._pieces for index in piece.writes}
        readers = self._readers()

        def private(index: int) -> bool:
            return index in produced and index not in self._outside and readers[index] == 1

        finished = []
        for piece in self._pieces:
            free = piece.kind == "RESHAPE" and private(piece.reads[0]) and private(piece.writes[0])
            finished.append(_finished(self._model.tensors, replace(piece, shapes=self._shapes), self._number, free))
        return finished

    def _temporary(self, shape: tuple[int, ...]) -> int:
        self._made -= 1
        self._shapes[self._made] = shape
        return self._made

    def _expand(self, node: int) -> None:
        operator = self._model.operators[node]
        tensors = self._model.tensors
        kind, options = operator.kind, operator.options
        reads = _values(self._model, operator)
        if kind == "FULLY_CONNECTED" and not options.get("keepNumDims", False):
            depth = tensors[reads[1]].shape[-1]
            flat = self._temporary((prod(tensors[reads[0]].shape) // depth, depth))
            self._pieces.append(_Piece("COPY", node, reads[:1], (flat,), operator))
            reads = (flat, *reads[1:])
        elif kind == "BATCH_MATMUL" and options.get("adjX", False):
            *batch, rows, columns = tensors[reads[0]].shape
            turned = self._temporary((*batch, columns, rows))
            self._pieces.append(_Piece("TRANSPOSE", node, reads[:1], (turned,), operator))
            reads = (turned, reads[1])
        elif kind == "MUL" and reads[0] == reads[1]:
            kind, reads = "SQUARE", reads[:1]
        clamp = _CLAMPS.get(options.get("fusedActivationFunction", 0)) if operator.kind in _BINARY else None
        if clamp is None:
            self._pieces.append(_Piece(kind, node, reads, operator.outputs, operator))
            return
        raw = self._temporary(tensors[operator.outputs[0]].shape)
        self._pieces.append(_Piece(kind, node, reads, (raw,), operator))
        self._pieces.append(_Piece(clamp, node, (raw,), operator.outputs, operator))

    def _drop_dead(self) -> None:
        needed = set(self._outside)
        kept = []
        for piece in reversed(self._pieces):
            if not needed.isdisjoint(piece.writes):
                needed.update(piece.reads)
                kept.append(piece)
        self._pieces = kept[::-1]

    def _readers(self) -> Counter[int]:
        return Counter(index for piece in self._pieces for index in piece.reads)

    def _producer(self, piece: _Piece, readers: Counter[int]) -> _Piece | None:
        """What writes the piece's first operand, if nothing else reads it."""
        index = piece.reads[0]
        if index in self._outside or readers[index] != 1:
            return None
        return next((other for other in self._pieces if index in other.writes), None)

    def _join_reshapes(self) -> None:
        for piece in list(self._pieces):
            producer = self._producer(piece, self._readers()) if piece.kind == "RESHAPE" else None
            if producer is not None and producer.kind == "RESHAPE":
                piece.reads = producer.reads
                self._pieces.remove(producer)

    def _join_pads(self) -> None:
        for piece in list(self._pieces):
            producer = self._producer(piece, self._readers()) if piece.kind in _WINDOWED else None
            if producer is not None and producer.kind == "PAD" and self._absorbs(producer, piece):
                piece.reads = (producer.reads[0], *piece.reads[1:])
                self._pieces.remove(producer)

    def _absorbs(self, pad: _Piece, window: _Piece) -> bool:
        paddings = self._model.tensors[pad.operator.inputs[1]].integers
        options = window.operator.options
        strided = (options["strideH"], options["strideW"]) != (1, 1)
        kernel = self._model.tensors[window.reads[1]].shape[1:3]
        product = window.kind == "CONV_2D" and kernel == (1, 1) and not strided
        same = options["padding"] == 0
        return len(paddings) == 8 and not any(paddings[:2] + paddings[6:]) and not product and not (strided and same)

    def _join_clamps(self) -> None:
        for piece in list(self._pieces):
            producer = self._producer(piece, self._readers()) if piece.kind in _CLAMP_KINDS else None
            if producer is not None and producer.kind in _CLAMPABLE | _CLAMP_KINDS:
                producer.writes = piece.writes
                self._pieces.remove(piece)
