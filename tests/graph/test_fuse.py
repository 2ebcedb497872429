"""What LiteRT runs for a graph. The rules are held against the installed runtime's own events."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from evit_nas.errors import InputError
from evit_nas.graph.builder import GraphBuilder
from evit_nas.graph.emit import emit
from evit_nas.graph.fuse import fuse, trace
from evit_nas.graph.kernel import RuntimeSpec
from evit_nas.graph.lowering import AUTHORS, OURS, Group, Lowering, Schedule
from evit_nas.graph.opgraph import OpGraph
from evit_nas.space.arch import named_arch
from evit_nas.tflite.match import match_events
from evit_nas.tflite.runtime import Session, delegate_partitions
from evit_nas.tflite.weights import fill_random
from evit_nas.tflite.writer import write

SHAPE = (1, 8, 8, 8)


class Sketch(GraphBuilder):
    """A builder with an input `x` and random weights."""

    def __init__(self) -> None:
        super().__init__()
        self.x = self.input(SHAPE)

    def weights(self, *shape: int) -> str:
        return self.constant(np.random.default_rng(0).standard_normal(shape).astype(np.float32))

    def convolve(self, x: str, kernel: int = 3, groups: int = 1, **options: object) -> str:
        channels = self.shape(x)[-1]
        weight = self.weights(channels, kernel, kernel, channels // groups)
        return self.conv(x, weight, self.zeros(channels), **options)  # type: ignore[arg-type]

    def dense(self, x: str, keep: bool) -> str:
        columns = self.shape(x)[-1]
        shape = (*self.shape(x)[:-1], 4) if keep else (-(-int(np.prod(self.shape(x))) // columns), 4)
        attrs = (("fused_activation", "NONE"), ("keep_num_dims", keep))
        return self.op("FULLY_CONNECTED", (x, self.weights(4, columns), self.zeros(4)), shape, attrs)

    def outside(self, x: str) -> str:
        """An operator that the delegate does not take."""
        return self.op("SIGN", (x,), self.shape(x))


def kinds(graph: OpGraph) -> list[str]:
    return [kernel.signature.kind for kernel in fuse(graph).kernels]


def check(graph: OpGraph) -> None:
    """The runtime's events are those that `trace` foretells, and its partitions those of `fuse`."""
    model = write(graph)
    with Session(model, profile=True) as session:
        events = session.profile(1, 0)
    pairs = match_events(graph, events)
    kernels = fuse(graph)
    assert tuple(kernel for kernel, _ in pairs) == kernels.kernels
    assert kernels.partitions == delegate_partitions(model)


# each: how the graph is made, and the kinds of its kernels
def conv_clamp(s: Sketch) -> list[str]:
    return [s.unary("RELU6", s.unary("RELU", s.convolve(s.x)))]


def conv_clamp_and_reader(s: Sketch) -> list[str]:
    y = s.convolve(s.x)
    return [s.unary("RELU", y), s.unary("ABS", y)]


def conv_output_and_clamp(s: Sketch) -> list[str]:
    y = s.convolve(s.x)
    return [y, s.unary("RELU", y)]


def add_fused_clamp(s: Sketch) -> list[str]:
    return [s.op("ADD", (s.x, s.x), SHAPE, (("fused_activation", "RELU"),))]


def pad_valid(s: Sketch) -> list[str]:
    return [s.convolve(s.pad(s.x, 1, 0, 2, 1), padding="VALID", stride=2)]


def pad_same(s: Sketch) -> list[str]:
    return [s.convolve(s.pad(s.x, 1, 1, 1, 1))]


def pad_same_strided(s: Sketch) -> list[str]:
    return [s.convolve(s.pad(s.x, 1, 1, 1, 1), stride=2)]


def pad_matrix_product(s: Sketch) -> list[str]:
    return [s.convolve(s.pad(s.x, 1, 1, 1, 1), kernel=1, padding="VALID")]


def pad_grouped(s: Sketch) -> list[str]:
    return [s.convolve(s.pad(s.x, 1, 1, 1, 1), kernel=1, groups=2, padding="VALID")]


def pad_two_readers(s: Sketch) -> list[str]:
    y = s.pad(s.x, 1, 1, 1, 1)
    return [s.convolve(y, padding="VALID"), s.unary("ABS", y)]


def reshape_free(s: Sketch) -> list[str]:
    return [s.unary("NEG", s.reshape(s.unary("ABS", s.x), 64, 8))]


def reshape_of_input(s: Sketch) -> list[str]:
    return [s.unary("NEG", s.reshape(s.x, 64, 8))]


def reshape_to_output(s: Sketch) -> list[str]:
    return [s.reshape(s.unary("ABS", s.x), 64, 8)]


def reshape_source_read_twice(s: Sketch) -> list[str]:
    y = s.unary("ABS", s.x)
    return [s.unary("NEG", s.reshape(y, 64, 8)), s.unary("EXP", y)]


def reshape_result_read_twice(s: Sketch) -> list[str]:
    y = s.reshape(s.unary("ABS", s.x), 64, 8)
    return [s.unary("NEG", y), s.unary("EXP", y)]


def reshape_chain(s: Sketch) -> list[str]:
    return [s.reshape(s.reshape(s.x, 64, 8), 8, 64)]


def dense_flattens(s: Sketch) -> list[str]:
    return [s.dense(s.reshape(s.x, 64, 8), keep=False)]


def dense_keeps(s: Sketch) -> list[str]:
    return [s.unary("RELU", s.dense(s.x, keep=True))]


def matmul_adjoint(s: Sketch) -> list[str]:
    attrs = (("adj_x", True), ("adj_y", True))
    return [s.op("BATCH_MATMUL", (s.x, s.x), SHAPE, attrs)]


def square(s: Sketch) -> list[str]:
    return [s.binary("MUL", s.x, s.x)]


def strided_slice(s: Sketch) -> list[str]:
    ends = s.integers(1, 4, 8, 8)
    return [s.op("STRIDED_SLICE", (s.x, s.integers(0, 0, 0, 0), ends, s.integers(1, 1, 1, 1)), (1, 4, 8, 8))]


def dead(s: Sketch) -> list[str]:
    y = s.convolve(s.x)
    s.unary("NEG", s.unary("ABS", y))
    return [s.unary("EXP", y)]


def builtin_moves_ahead(s: Sketch) -> list[str]:
    y = s.unary("ABS", s.outside(s.x))
    return [s.binary("ADD", y, s.outside(s.x))]


def clamp_across_the_border(s: Sketch) -> list[str]:
    y = s.convolve(s.x)
    return [s.binary("ADD", s.unary("RELU", y), s.outside(y))]


def reshape_at_the_border(s: Sketch) -> list[str]:
    return [s.unary("ABS", s.outside(s.reshape(s.convolve(s.x), 64, 8)))]


CASES: list[tuple[Callable[[Sketch], list[str]], str]] = [
    (conv_clamp, "CONV_2D"),
    (conv_clamp_and_reader, "CONV_2D RELU ABS"),
    (conv_output_and_clamp, "CONV_2D RELU"),
    (add_fused_clamp, "ADD RELU"),
    (pad_valid, "CONV_2D"),
    (pad_same, "CONV_2D"),
    (pad_same_strided, "PAD CONV_2D"),
    (pad_matrix_product, "PAD CONV_2D"),
    (pad_grouped, "CONV_2D"),
    (pad_two_readers, "PAD CONV_2D ABS"),
    (reshape_free, "ABS NEG"),
    (reshape_of_input, "RESHAPE NEG"),
    (reshape_to_output, "ABS RESHAPE"),
    (reshape_source_read_twice, "ABS RESHAPE NEG EXP"),
    (reshape_result_read_twice, "ABS RESHAPE NEG EXP"),
    (reshape_chain, "RESHAPE"),
    (dense_flattens, "RESHAPE FULLY_CONNECTED"),
    (dense_keeps, "FULLY_CONNECTED"),
    (matmul_adjoint, "TRANSPOSE BATCH_MATMUL"),
    (square, "SQUARE"),
    (strided_slice, "SLICE"),
    (dead, "CONV_2D EXP"),
    (builtin_moves_ahead, "SIGN SIGN ABS ADD"),
    (clamp_across_the_border, "CONV_2D RELU SIGN ADD"),
    (reshape_at_the_border, "CONV_2D RESHAPE SIGN ABS"),
]


@pytest.mark.parametrize(("make", "expected"), CASES, ids=[make.__name__ for make, _ in CASES])
def test_rules(make: Callable[[Sketch], list[str]], expected: str) -> None:
    sketch = Sketch()
    graph = sketch.finish(make(sketch))
    assert " ".join(kinds(graph)) == expected
    check(graph)


STRIPS = Lowering(
    schedule=Schedule.of(
        [
            Group(("backbone.input_stem.op_list.0", "backbone.input_stem.op_list.1.main"), 5),
            Group(("backbone.stages.0.op_list.0.main",), 3),
        ]
    )
)


@pytest.mark.parametrize("lowering", [OURS, AUTHORS, STRIPS], ids=["ours", "authors", "strips"])
@pytest.mark.parametrize("name", ["b0", "b1-ade20k", "b0-cls"])
@pytest.mark.parametrize("upsample", ["bilinear", "bicubic"])
def test_networks_run_as_foretold(name: str, lowering: Lowering, upsample: str) -> None:
    if name.endswith("cls") and upsample == "bicubic":
        pytest.skip("classification has no upsampling")
    arch = named_arch(name, upsample=upsample)  # type: ignore[arg-type]
    check(fill_random(emit(arch, (64, 128), lowering), 0))


@pytest.mark.slow
@pytest.mark.parametrize("lowering", [OURS, AUTHORS], ids=["ours", "authors"])
@pytest.mark.parametrize("name", ["b1", "b2", "b3", "b3-ade20k", "b3-cls"])
def test_large_networks_run_as_foretold(name: str, lowering: Lowering) -> None:
    check(fill_random(emit(named_arch(name), (128, 192), lowering), 0))


def test_ours_is_one_partition() -> None:
    for name in ("b0", "b1", "b2", "b3"):
        for upsample in ("bilinear", "bicubic"):
            assert fuse(emit(named_arch(name, upsample=upsample), (512, 1024))).partitions == 1  # type: ignore[arg-type]


def test_pads_become_the_convolutions() -> None:
    sketch = Sketch()
    (kernel,) = fuse(sketch.finish(pad_valid(sketch))).kernels
    assert kernel.signature.inputs[0].shape == SHAPE
    assert (kernel.signature.attr("padding"), kernel.signature.attr("pads")) == ("EXPLICIT", (1, 0, 2, 1))
    assert kernel.ops == (0, 1)
    sketch = Sketch()
    padded = sketch.convolve(sketch.pad(sketch.x, 1, 1, 1, 1), padding="VALID")
    (kernel,) = fuse(sketch.finish([padded])).kernels
    assert kernel.signature.attr("padding") == "SAME"


def test_clamps_become_the_convolutions() -> None:
    sketch = Sketch()
    (kernel,) = fuse(sketch.finish(conv_clamp(sketch))).kernels
    assert kernel.signature.attr("fused_activation") == "RELU6"
    assert kernel.ops == (0, 1, 2)


def test_every_operator_is_in_one_kernel_or_free_or_dead() -> None:
    graph = emit(named_arch("b0"), (64, 128), OURS)
    covered = [op for step in trace(graph) for op in step.kernel.ops]
    assert sorted(covered) == sorted(set(covered))
    assert set(covered) == set(range(len(graph.ops)))


def test_kernels_know_their_place() -> None:
    kernels = fuse(emit(named_arch("b0"), (64, 128), OURS)).kernels
    assert {kernel.stage for kernel in kernels} == {"stem", "stage1", "stage2", "stage3", "stage4", "head"}
    assert all(kernel.block for kernel in kernels)


def test_without_a_delegate_every_operator_is_a_kernel() -> None:
    graph = emit(named_arch("b0"), (64, 128), OURS)
    kernels = fuse(graph, RuntimeSpec(delegate="none"))
    assert kernels.partitions == 0
    assert [kernel.signature.kind for kernel in kernels.kernels] == [op.kind for op in graph.ops]


def test_older_builds_keep_a_reshape_of_a_reshape_apart() -> None:
    sketch = Sketch()
    graph = sketch.finish(reshape_chain(sketch))
    assert kinds(graph) == ["RESHAPE"]
    apart = fuse(graph, RuntimeSpec(joins_reshapes=False)).kernels
    assert [kernel.ops for kernel in apart] == [(i,) for i in range(len(graph.ops))]


def test_other_runtimes_are_refused() -> None:
    with pytest.raises(InputError, match="onnx/xnnpack"):
        fuse(Sketch().finish([]), RuntimeSpec(runtime="onnx"))


def test_events_out_of_step_are_an_error() -> None:
    sketch = Sketch()
    graph = sketch.finish([sketch.unary("ABS", sketch.unary("NEG", sketch.x))])
    with Session(write(graph), profile=True) as session:
        events = session.profile(1, 0)
    with pytest.raises(InputError, match="kernel 0 is NEG in the graph, the profiler says 'Abs"):
        match_events(graph, events[::-1])
    with pytest.raises(InputError, match="2 kernels, the profiler reports 1"):
        match_events(graph, events[:1])


def test_partitions_are_numbered_in_order() -> None:
    kernels = fuse(emit(named_arch("b0"), (64, 128), AUTHORS)).kernels
    numbers = [kernel.partition for kernel in kernels if kernel.partition >= 0]
    assert numbers == sorted(numbers)
    assert all(b - a <= 1 for a, b in pairwise(numbers))
