"""A predictor that never stops at an operator which nothing covers, and never calls it free.

Such a kernel costs what a known one does that handles the same tensors: a matrix product where it has weights, else a
logistic over its elements. That is a guess: the truth may be GUESS_FACTOR times less or more, the interval says so, and
its time counts as extrapolated. Kernels that the wrapped predictor knows are left exactly as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil, prod

import numpy as np

from evit_nas.errors import MissingCostError
from evit_nas.graph.kernel import Kernel, KernelGraph, KernelSignature, TensorType
from evit_nas.latency.measurement import Conditions
from evit_nas.latency.predictor.base import Coverage, Floats, LatencyBatch, LatencyPrediction, LatencyPredictor

GUESS_FACTOR = 10.0
LEAST_US = 1.0  # no kernel is free


class FallbackPredictor:
    """`inner`, and a stand-in for what it has no cost of. Terms: of known kernels, of stand-ins, all us, guessed us."""

    def __init__(self, inner: LatencyPredictor) -> None:
        self._inner = inner
        self._width = len(inner.terms(()))
        self._known: dict[str, bool] = {}

    @property
    def conditions(self) -> Conditions:
        return self._inner.conditions

    def knows(self, kernel: Kernel) -> bool:
        """Whether the wrapped predictor has a cost of its own for the kernel."""
        key = kernel.signature.key
        if key not in self._known:
            try:
                self._inner.terms((kernel,))
                self._known[key] = True
            except MissingCostError:
                self._known[key] = False
        return self._known[key]

    def terms(self, kernels: Sequence[Kernel]) -> Floats:
        """Shape (2 T + 2,) for T terms of the wrapped predictor."""
        known = [kernel for kernel in kernels if self.knows(kernel)]
        guessed = [kernel for kernel in kernels if not self.knows(kernel)]
        guessed_us = self.kernel_times_us(guessed).sum()
        all_us = self._inner.kernel_times_us(known).sum() + guessed_us
        stand_ins = [stand_in(kernel) for kernel in guessed]
        return np.concatenate([self._inner.terms(known), self._inner.terms(stand_ins), [all_us, guessed_us]])

    def combine(self, sums: Floats) -> LatencyBatch:
        known, stand_ins = sums[:, : self._width], sums[:, self._width : -2]
        all_us, guessed_us = sums[:, -2], sums[:, -1]
        whole = self._inner.combine(known + stand_ins)
        share = guessed_us / np.maximum(all_us, 1e-9)
        guessed_ms = np.maximum(share * whole.latency_ms, guessed_us / 1e3)
        latency_ms = np.where(share > 0, np.maximum(whole.latency_ms, guessed_ms), whole.latency_ms)
        down = 1 + (GUESS_FACTOR - 1) * share
        return LatencyBatch(
            latency_ms=latency_ms,
            low_ms=np.minimum(whole.low_ms, latency_ms) / down,
            high_ms=np.maximum(whole.high_ms, latency_ms) + (GUESS_FACTOR - 1) * guessed_ms,
            extrapolated=np.clip(self._inner.combine(known).extrapolated * (1 - share) + share, 0.0, 1.0),
        )

    def predict(self, graph: KernelGraph) -> LatencyPrediction:
        batch = self.combine(self.terms(graph.kernels)[None])
        costed = tuple(kernel if self.knows(kernel) else stand_in(kernel) for kernel in graph.kernels)
        whole = self._inner.predict(replace(graph, kernels=costed))
        if costed == graph.kernels:
            return whole
        extrapolated = float(batch.extrapolated[0])
        covered = whole.coverage.measured + whole.coverage.interpolated
        scale = (1 - extrapolated) / covered if covered > 0 else 0.0
        coverage = Coverage(
            measured=whole.coverage.measured * scale,
            interpolated=1 - extrapolated - whole.coverage.measured * scale,
            extrapolated=extrapolated,
        )
        return LatencyPrediction(
            latency_ms=float(batch.latency_ms[0]),
            low_ms=float(batch.low_ms[0]),
            high_ms=float(batch.high_ms[0]),
            coverage=coverage,
            shares=whole.shares,
            provenance=whole.provenance,
        )

    def kernel_times_us(self, kernels: Sequence[Kernel]) -> Floats:
        """Microseconds of each kernel; a guessed one takes LEAST_US at least, shape (len(kernels),)."""
        costed = [kernel if self.knows(kernel) else stand_in(kernel) for kernel in kernels]
        least = np.array([0.0 if self.knows(kernel) else LEAST_US for kernel in kernels])
        return np.asarray(np.maximum(self._inner.kernel_times_us(costed), least), dtype=np.float64)

    def extrapolates(self, kernel: Kernel) -> bool:
        """Whether the kernel's time rests on nothing that was measured near it."""
        if not self.knows(kernel):
            return True
        return bool(self._inner.combine(self._inner.terms((kernel,))[None]).extrapolated[0] > 0)


def stand_in(kernel: Kernel) -> Kernel:
    """A kernel of a known kind over the same tensors.

    Weights of W elements for outputs of C channels make a matrix product with W / C inputs a channel, which holds for
    every convolution.
    """
    signature = kernel.signature
    maps = [*(t for t in signature.inputs if not t.constant), *signature.outputs]
    elements = max((prod(t.shape) for t in maps), default=1)
    weights = max((prod(t.shape) for t in signature.inputs if t.constant and len(t.shape) > 1), default=0)
    out = signature.outputs[0].shape if signature.outputs else ()
    if weights and out and out[-1]:
        rows = max(1, prod(out) // out[-1])
        return replace(kernel, signature=_matrix_product(rows, ceil(weights / out[-1]), out[-1]))
    shape = TensorType((1, 1, 1, max(elements, 1)))
    return replace(kernel, signature=KernelSignature("LOGISTIC", (shape,), (shape,)))


def _matrix_product(rows: int, inner: int, columns: int) -> KernelSignature:
    weights = TensorType((columns, inner), constant=True)
    return KernelSignature(
        "FULLY_CONNECTED",
        (TensorType((rows, inner)), weights),
        (TensorType((rows, columns)),),
        (("fused_activation", "NONE"),),
    )
