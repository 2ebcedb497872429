"""The predictor of a measured table: rows as measured, a regression for the rest, a correction for whole networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evit_nas.graph.kernel import GRAPH_KIND, Kernel, KernelGraph, KernelSignature
from evit_nas.latency.gaussian import relative_sd
from evit_nas.latency.measurement import PROVENANCES, Conditions, Measurement, Provenance
from evit_nas.latency.predictor.base import Coverage, Floats, LatencyBatch, LatencyPrediction
from evit_nas.latency.predictor.correction import Correction
from evit_nas.latency.predictor.coverage import Ranges
from evit_nas.latency.predictor.features import hull_axes
from evit_nas.latency.predictor.interval import Spread
from evit_nas.latency.predictor.regression import EXTRAPOLATED_SD, KernelRegression
from evit_nas.latency.predictor.transfer_spread import TransferSpread
from evit_nas.latency.table.store import Table

MEASURED, INTERPOLATED, EXTRAPOLATED, SD, KERNELS, ACTIVATION_MB, SMOOTHING = range(7)
TERMS = 7
MAJOR_SHARE = 0.01  # a source below this share of the time does not name the provenance


@dataclass(frozen=True, slots=True)
class KernelCost:
    """Terms of one kernel (TERMS,) and where its time comes from."""

    terms: Floats
    provenance: Provenance

    @property
    def us(self) -> float:
        return float(self.terms[: EXTRAPOLATED + 1].sum())


class AdditivePredictor:
    """Terms: microseconds measured, interpolated and extrapolated; their summed uncertainty; kernels; activation MB; by
    how many microseconds the regression differs from the measured rows."""

    def __init__(
        self,
        table: Table,
        regression: KernelRegression,
        correction: Correction,
        spread: Spread,
    ) -> None:
        self._table = table
        self._regression = regression
        self._correction = correction
        self._spread = spread
        measured = [row for row in table.rows if row.signature.kind != GRAPH_KIND]
        self._ranges = Ranges.of(hull_axes(row.signature) for row in measured)
        kinds: set[Provenance] = {row.provenance for row in measured}
        self._inferred: Provenance = "transferred" if "transferred" in kinds else max(kinds, key=PROVENANCES.index)
        self._simulated = "simulated" in kinds
        self._transfer = TransferSpread.of(measured)
        self._costs: dict[str, KernelCost] = {}

    @property
    def conditions(self) -> Conditions:
        return self._table.conditions

    def terms(self, kernels: Sequence[Kernel]) -> Floats:
        return sum((self.cost(kernel.signature).terms for kernel in kernels), np.zeros(TERMS))

    def combine(self, sums: Floats) -> LatencyBatch:
        latency_us = self._correction.apply_us(network_features(sums))
        low, high = self._spread.bounds(latency_us, sums[:, SD])
        kernels_us = np.maximum(sums[:, : EXTRAPOLATED + 1].sum(axis=1), 1e-9)
        return LatencyBatch(
            latency_ms=latency_us / 1e3,
            low_ms=low / 1e3,
            high_ms=high / 1e3,
            extrapolated=sums[:, EXTRAPOLATED] / kernels_us,
        )

    def predict(self, graph: KernelGraph) -> LatencyPrediction:
        sums = self.terms(graph.kernels)
        batch = self.combine(sums[None])
        shares = self._shares(graph.kernels)
        major = [name for name, share in shares.items() if share > MAJOR_SHARE]
        measured, interpolated, extrapolated = (sums[: EXTRAPOLATED + 1] / sums[: EXTRAPOLATED + 1].sum()).tolist()
        return LatencyPrediction(
            latency_ms=float(batch.latency_ms[0]),
            low_ms=float(batch.low_ms[0]),
            high_ms=float(batch.high_ms[0]),
            coverage=Coverage(measured=measured, interpolated=interpolated, extrapolated=extrapolated),
            shares=shares,
            provenance="simulated" if self._simulated else max(major, key=_weakness),
        )

    def kernel_times_us(self, kernels: Sequence[Kernel]) -> Floats:
        """Microseconds of each kernel on its own, before the network's correction, shape (len(kernels),)."""
        return np.array([self.cost(kernel.signature).us for kernel in kernels])

    def cost(self, signature: KernelSignature) -> KernelCost:
        """Terms of one kernel. Raises MissingCostError for an operator that nothing knows."""
        key = signature.key
        if key not in self._costs:
            self._costs[key] = self._build(signature)
        return self._costs[key]

    def _build(self, signature: KernelSignature) -> KernelCost:
        if signature in self._table:
            row = self._table.lookup(signature)
            return KernelCost(self._row_terms(row), row.provenance)
        us, sd, own_family = self._regression.predict(signature)
        sd = self._transfer.widened(signature, sd)
        if own_family and self._ranges.holds(hull_axes(signature)):
            return KernelCost(kernel_terms(signature, interpolated_us=us, sd=sd), self._inferred)
        terms = kernel_terms(signature, extrapolated_us=us, sd=max(sd, EXTRAPOLATED_SD))
        return KernelCost(terms, self._inferred)

    def _row_terms(self, row: Measurement) -> Floats:
        """A transferred time counts as interpolated where the device has a row of the family, else as extrapolated.

        Rows inferred from public blocks are measured in sum only: each is as uncertain as its interval says.
        """
        sd = relative_sd(row.low_us, row.high_us)
        if row.provenance == "measured (public)":
            return kernel_terms(row.signature, measured_us=row.median_us, sd=sd)
        if row.provenance != "transferred":
            regressed_us, _, own_family = self._regression.predict(row.signature)
            beside = regressed_us if own_family else None
            return kernel_terms(row.signature, measured_us=row.median_us, regressed_us=beside)
        if self._transfer.has_own(row.signature):
            return kernel_terms(row.signature, interpolated_us=row.median_us, sd=sd)
        return kernel_terms(row.signature, extrapolated_us=row.median_us, sd=sd)

    def _shares(self, kernels: Sequence[Kernel]) -> Mapping[str, float]:
        times: dict[str, float] = {}
        for kernel in kernels:
            cost = self.cost(kernel.signature)
            times[cost.provenance] = times.get(cost.provenance, 0.0) + cost.us
        total = sum(times.values())
        return {name: us / total for name, us in times.items()}


def kernel_terms(
    signature: KernelSignature,
    *,
    measured_us: float = 0.0,
    interpolated_us: float = 0.0,
    extrapolated_us: float = 0.0,
    regressed_us: float | None = None,
    sd: float = 0.0,
) -> Floats:
    """Terms of one kernel, shape (TERMS,). `sd`: relative standard deviation of a time that was not timed itself;
    `regressed_us`: what the regression says of a kernel that was."""
    all_us = measured_us + interpolated_us + extrapolated_us
    smoothing_us = 0.0 if regressed_us is None else regressed_us - measured_us
    megabytes = signature.activation_bytes / 1e6
    return np.array([measured_us, interpolated_us, extrapolated_us, sd * all_us, 1.0, megabytes, smoothing_us])


def network_features(sums: Floats) -> Floats:
    """The correction's FEATURES (N, 5) from summed terms (N, TERMS)."""
    kernels_us = sums[:, : EXTRAPOLATED + 1].sum(axis=1)
    columns = [np.ones(len(sums)), kernels_us, sums[:, KERNELS], sums[:, ACTIVATION_MB], sums[:, SMOOTHING]]
    return np.stack(columns, axis=1)


def _weakness(name: str) -> int:
    return [str(provenance) for provenance in PROVENANCES].index(name)
