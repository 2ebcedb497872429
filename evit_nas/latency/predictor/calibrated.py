"""The predictor of a calibrated table: physical columns times coefficients, with an interval that knows its gaps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evit_nas.errors import TableError
from evit_nas.graph.kernel import GRAPH_KIND, Kernel, KernelGraph
from evit_nas.latency.measurement import Conditions
from evit_nas.latency.predictor.base import Coverage, Floats, LatencyBatch, LatencyPrediction
from evit_nas.latency.predictor.coverage import Ranges
from evit_nas.latency.predictor.features import COST_COLUMNS, axes, cost_columns, facts
from evit_nas.latency.table.schema import TableProvenance

Z90 = 1.6449
EXTRAPOLATED_SD = 0.35  # relative error of kernels outside everything that the calibration has seen
FLOOR_MS = 1e-6


class CalibratedPredictor:
    """Terms: the cost columns, and the milliseconds of kernels that the calibration has not seen."""

    def __init__(self, provenance: TableProvenance) -> None:
        """Raises TableError where the table carries no (or a damaged) calibration."""
        self._provenance = provenance
        source = f"{provenance.conditions.device}/{provenance.conditions.stem}.json"
        document, coefficients = provenance.calibration, provenance.coefficients
        if document is None or coefficients is None:
            raise TableError(f"{source}: no coefficients; calibrate the table again (evit-nas tables calibrate)")
        try:
            self._coefficients = np.array([float(coefficients[name]) for name in COST_COLUMNS])
            self._covariance = np.array(document["covariance"], dtype=np.float64)
            self._model_sd = float(document["model_sd"])  # type: ignore[arg-type]
        except (KeyError, TypeError, ValueError) as error:
            raise TableError(
                f"{source}: calibration is damaged or of other columns ({error}); calibrate again"
            ) from None
        if self._covariance.shape != (len(COST_COLUMNS),) * 2 or not np.isfinite(self._covariance).all():
            raise TableError(
                f"{source}: calibration.covariance is not {len(COST_COLUMNS)} x {len(COST_COLUMNS)} numbers"
            )
        self._ranges = Ranges.parse(document.get("ranges"), source)
        self._cache: dict[str, Floats] = {}

    @property
    def conditions(self) -> Conditions:
        return self._provenance.conditions

    def terms(self, kernels: Sequence[Kernel]) -> Floats:
        """Summed cost columns and extrapolated milliseconds, shape (len(COST_COLUMNS) + 1,)."""
        return sum((self._kernel_terms(kernel) for kernel in kernels), np.zeros(len(COST_COLUMNS) + 1))

    def combine(self, sums: Floats) -> LatencyBatch:
        columns, extrapolated_ms = sums[:, :-1], sums[:, -1]
        latency = np.maximum(columns @ self._coefficients, FLOOR_MS)
        variance = np.einsum("nc,cd,nd->n", columns, self._covariance, columns)
        variance += (self._model_sd * latency) ** 2 + (EXTRAPOLATED_SD * extrapolated_ms) ** 2
        half = Z90 * np.sqrt(variance)
        # the upper side is symmetric in ratio, so that a wide interval stays above zero
        return LatencyBatch(
            latency_ms=latency,
            low_ms=latency / (1 + half / latency),
            high_ms=latency + half,
            extrapolated=np.clip(extrapolated_ms / latency, 0.0, 1.0),
        )

    def predict(self, graph: KernelGraph) -> LatencyPrediction:
        batch = self.combine(self.terms(graph.kernels)[None])
        extrapolated = float(batch.extrapolated[0])
        return LatencyPrediction(
            latency_ms=float(batch.latency_ms[0]),
            low_ms=float(batch.low_ms[0]),
            high_ms=float(batch.high_ms[0]),
            coverage=Coverage(measured=0.0, interpolated=1.0 - extrapolated, extrapolated=extrapolated),
            shares={"calibrated": 1.0},
            provenance="calibrated",
        )

    def kernel_times_us(self, kernels: Sequence[Kernel]) -> Floats:
        """Microseconds by kernel; a move that stays in the cache has none in this model, shape (len(kernels),)."""
        return np.array([1e3 * self._kernel_terms(kernel)[:-1] @ self._coefficients for kernel in kernels])

    def _kernel_terms(self, kernel: Kernel) -> Floats:
        key = kernel.signature.key
        if key not in self._cache:
            self._cache[key] = self._build(kernel)
        return self._cache[key]

    def _build(self, kernel: Kernel) -> Floats:
        if kernel.signature.kind == GRAPH_KIND:
            return np.zeros(len(COST_COLUMNS) + 1)
        columns = cost_columns(facts(kernel.signature))
        seen = self._ranges.holds(axes(kernel.signature))
        return np.append(columns, 0.0 if seen else columns @ self._coefficients)
