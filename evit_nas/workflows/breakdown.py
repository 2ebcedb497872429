"""Where a network's time goes, by block, by kind and by kernel, and which operators no table covers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from evit_nas.graph.cost import signature_macs
from evit_nas.graph.kernel import Kernel, KernelSignature
from evit_nas.graph.signature import CONVOLUTIONS
from evit_nas.latency.predictor.base import Floats
from evit_nas.latency.predictor.fallback import FallbackPredictor
from evit_nas.workflows.result_parts import KernelTime, KindTime, StageTime, Uncovered

STAGES = ("stem", "stage1", "stage2", "stage3", "stage4", "", "head")  # the head last, wherever the runtime puts it


def kernel_times_ms(predictor: FallbackPredictor, kernels: Sequence[Kernel], latency_ms: float) -> Floats:
    """Milliseconds of each kernel, scaled so that they sum to the prediction, shape (len(kernels),)."""
    times = predictor.kernel_times_us(kernels)
    return times * (latency_ms / max(float(times.sum()), 1e-9))


def by_kernel(kernels: Sequence[Kernel], times_ms: Floats, measured_ms: Floats | None = None) -> tuple[KernelTime, ...]:
    """Every kernel in execution order."""
    total = float(times_ms.sum())
    return tuple(
        KernelTime(
            stage=kernel.stage,
            block=kernel.block,
            kind=kernel.signature.kind,
            shapes=_shapes(kernel.signature),
            latency_ms=float(time_ms),
            share=float(time_ms) / total,
            macs=signature_macs(kernel.signature),
            size_bytes=kernel.signature.activation_bytes + kernel.signature.weight_bytes,
            window=_window(kernel.signature),
            measured_ms=None if measured_ms is None else float(measured_ms[i]),
        )
        for i, (kernel, time_ms) in enumerate(zip(kernels, times_ms, strict=True))
    )


def by_block(kernels: Sequence[KernelTime]) -> tuple[StageTime, ...]:
    """Every block, stages in the network's order."""
    groups: dict[tuple[str, str], list[KernelTime]] = {}
    for kernel in kernels:
        groups.setdefault((kernel.stage, kernel.block), []).append(kernel)
    blocks = [
        StageTime(
            stage=stage,
            block=block,
            latency_ms=sum(kernel.latency_ms for kernel in group),
            share=sum(kernel.share for kernel in group),
            kernels=len(group),
        )
        for (stage, block), group in groups.items()
    ]
    return tuple(sorted(blocks, key=lambda block: STAGES.index(block.stage) if block.stage in STAGES else len(STAGES)))


def by_kind(kernels: Sequence[KernelTime]) -> tuple[KindTime, ...]:
    """Every kind, the slowest first."""
    groups: dict[str, list[KernelTime]] = {}
    for kernel in kernels:
        groups.setdefault(kernel.kind, []).append(kernel)
    kinds = [
        KindTime(
            kind=kind,
            latency_ms=sum(kernel.latency_ms for kernel in group),
            share=sum(kernel.share for kernel in group),
            kernels=len(group),
        )
        for kind, group in groups.items()
    ]
    return tuple(sorted(kinds, key=lambda kind: -kind.latency_ms))


def uncovered(predictor: FallbackPredictor, kernels: Sequence[Kernel], times_ms: Floats) -> tuple[Uncovered, ...]:
    """Kinds with kernels that are extrapolated or not known at all, those with the largest share of time first."""
    macs, size_bytes, time_ms, count = (Counter[str]() for _ in range(4))
    known = {}
    all_macs = all_bytes = 0
    for kernel, own_ms in zip(kernels, times_ms.tolist(), strict=True):
        signature, kind = kernel.signature, kernel.signature.kind
        own_macs, own_bytes = signature_macs(signature), signature.activation_bytes + signature.weight_bytes
        all_macs, all_bytes = all_macs + own_macs, all_bytes + own_bytes
        if predictor.extrapolates(kernel):
            known[kind] = predictor.knows(kernel)
            count[kind] += 1
            macs[kind] += own_macs
            size_bytes[kind] += own_bytes
            time_ms[kind] += own_ms
    return tuple(
        Uncovered(
            kind=kind,
            count=count[kind],
            macs_share=macs[kind] / max(all_macs, 1),
            bytes_share=size_bytes[kind] / max(all_bytes, 1),
            time_share=own_ms / max(float(times_ms.sum()), 1e-9),
            known=known[kind],
        )
        for kind, own_ms in time_ms.most_common()
    )


def in_words(gap: Uncovered) -> str:
    """`8 x GELU (0 % of MACs, 4 % of bytes)`."""
    unknown = "" if gap.known else ", an operator that no predictor knows"
    return f"{gap.count} x {gap.kind} ({gap.macs_share:.1%} of MACs, {gap.bytes_share:.1%} of bytes{unknown})"


def _window(signature: KernelSignature) -> str:
    """`3x3` of a convolution, nothing of others."""
    if signature.kind not in CONVOLUTIONS:
        return ""
    return "{}x{}".format(*signature.inputs[1].shape[1:3])


def _shapes(signature: KernelSignature) -> str:
    """`1x64x64x32, 16x1x1x32 -> 1x64x64x16`, biases left out."""
    inputs = ("x".join(map(str, t.shape)) for t in signature.inputs if len(t.shape) > 1 or not t.constant)
    outputs = ("x".join(map(str, t.shape)) for t in signature.outputs)
    return f"{', '.join(inputs)} -> {', '.join(outputs)}"
