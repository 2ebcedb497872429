"""The predictor of a calibrated table: physical columns times coefficients, with an interval that knows its gaps.

Where the table also has rows (a phone profiled later, merged with its calibration), each kernel that has one costs what
was measured, and only the others are calibrated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from evit_nas.errors import MissingCostError, TableError
from evit_nas.graph.kernel import GRAPH_KIND, Kernel, KernelGraph
from evit_nas.latency.gaussian import Z90, relative_sd
from evit_nas.latency.measurement import PROVENANCES, Conditions
from evit_nas.latency.predictor.base import Coverage, Floats, LatencyBatch, LatencyPrediction
from evit_nas.latency.predictor.coverage import Ranges
from evit_nas.latency.predictor.features import COST_COLUMNS, axes
from evit_nas.latency.predictor.interval import BASE_SD
from evit_nas.latency.predictor.phone_costs import PhoneCosts
from evit_nas.latency.table.store import Table

# relative error of kernels that only the phone of the costs has seen (`sd888_rehearsal.py`), and of all others
EFFECT_SD, EXTRAPOLATED_SD = 0.2, 0.35
MAJOR_SHARE = 0.01  # a source below this share of the time does not name the provenance
FLOOR_MS = 1e-6
COLUMNS = len(COST_COLUMNS)
EFFECT, EXTRAPOLATED, MEASURED, MEASURED_SD = range(COLUMNS, COLUMNS + 4)
TERMS = COLUMNS + 4


class CalibratedPredictor:
    """Terms: the cost columns of kernels without a row; their milliseconds beyond the calibration's own networks but
    not beyond the phone's, and beyond both; milliseconds measured, and their standard deviation."""

    def __init__(self, table: Table) -> None:
        """Raises TableError where the table carries no (or a damaged) calibration."""
        self._table = table
        source = f"{table.conditions.device}/{table.conditions.stem}.json"
        document, coefficients = table.provenance.calibration, table.provenance.coefficients
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
        if self._covariance.shape != (COLUMNS, COLUMNS) or not np.isfinite(self._covariance).all():
            raise TableError(f"{source}: calibration.covariance is not {COLUMNS} x {COLUMNS} numbers")
        self._ranges = Ranges.parse(document.get("ranges"), source)
        self._phone = PhoneCosts.parse(document.get("phone"), source)
        self._disagreement = self._disagreement_with_rows()
        self._cache: dict[str, Floats] = {}

    @property
    def conditions(self) -> Conditions:
        return self._table.conditions

    def terms(self, kernels: Sequence[Kernel]) -> Floats:
        """Summed terms, shape (TERMS,). Raises MissingCostError for an operator without a row that nothing knows."""
        return sum((self._kernel_terms(kernel) for kernel in kernels), np.zeros(TERMS))

    def combine(self, sums: Floats) -> LatencyBatch:
        columns, measured_ms = sums[:, :COLUMNS], sums[:, MEASURED]
        calibrated_ms = columns @ self._coefficients
        latency = np.maximum(calibrated_ms + measured_ms, FLOOR_MS)
        variance = np.einsum("nc,cd,nd->n", columns, self._covariance, columns)
        variance += (self._model_sd**2 + self._disagreement**2) * calibrated_ms**2
        variance += (EFFECT_SD * sums[:, EFFECT]) ** 2 + (EXTRAPOLATED_SD * sums[:, EXTRAPOLATED]) ** 2
        variance += (BASE_SD * measured_ms) ** 2 + sums[:, MEASURED_SD] ** 2
        half = Z90 * np.sqrt(variance)
        # the upper side is symmetric in ratio, so that a wide interval stays above zero
        return LatencyBatch(
            latency_ms=latency,
            low_ms=latency / (1 + half / latency),
            high_ms=latency + half,
            extrapolated=np.clip(sums[:, EXTRAPOLATED] / latency, 0.0, 1.0),
        )

    def predict(self, graph: KernelGraph) -> LatencyPrediction:
        sums = self.terms(graph.kernels)
        batch = self.combine(sums[None])
        latency_ms, extrapolated = float(batch.latency_ms[0]), float(batch.extrapolated[0])
        shares = self._shares(graph.kernels, latency_ms)
        timed = sum(share for name, share in shares.items() if name not in ("transferred", "calibrated"))
        measured = min(1.0 - extrapolated, timed)
        return LatencyPrediction(
            latency_ms=latency_ms,
            low_ms=float(batch.low_ms[0]),
            high_ms=float(batch.high_ms[0]),
            coverage=Coverage(measured=measured, interpolated=1.0 - extrapolated - measured, extrapolated=extrapolated),
            shares=shares,
            provenance=max((name for name, share in shares.items() if share > MAJOR_SHARE), key=_weakness),
        )

    def kernel_times_us(self, kernels: Sequence[Kernel]) -> Floats:
        """Microseconds by kernel; a move that stays in the cache has none in this model, shape (len(kernels),)."""
        terms = np.array([self._kernel_terms(kernel) for kernel in kernels]).reshape(len(kernels), TERMS)
        return np.asarray(1e3 * (terms[:, :COLUMNS] @ self._coefficients + terms[:, MEASURED]))

    def _shares(self, kernels: Sequence[Kernel], latency_ms: float) -> Mapping[str, float]:
        """Share of the time by source: every provenance of a row, the rest is calibrated."""
        shares: dict[str, float] = {}
        for kernel in kernels:
            if kernel.signature in self._table:
                row = self._table.lookup(kernel.signature)
                shares[row.provenance] = shares.get(row.provenance, 0.0) + row.median_us / 1e3 / latency_ms
        rest = 1.0 - sum(shares.values())
        return {**shares, "calibrated": rest} if rest > 1e-9 or not shares else shares

    def _kernel_terms(self, kernel: Kernel) -> Floats:
        key = kernel.signature.key
        if key not in self._cache:
            self._cache[key] = self._build(kernel)
        return self._cache[key]

    def _build(self, kernel: Kernel) -> Floats:
        terms = np.zeros(TERMS)
        if kernel.signature in self._table:
            row = self._table.lookup(kernel.signature)
            terms[MEASURED] = row.median_us / 1e3
            terms[MEASURED_SD] = relative_sd(row.low_us, row.high_us) * row.median_us / 1e3
        elif kernel.signature.kind != GRAPH_KIND:
            terms[:COLUMNS] = self._phone.columns(kernel.signature)
            shape = axes(kernel.signature)
            if not self._ranges.holds(shape):
                place = EFFECT if self._phone.ranges.holds(shape) else EXTRAPOLATED
                terms[place] = terms[:COLUMNS] @ self._coefficients
        return terms

    def _disagreement_with_rows(self) -> float:
        """Log of the rows' time over what the calibration says of the same kernels, without sign; 0 without rows.

        The calibration is of another phone and runtime than the rows: kernels without a row may be as far off.
        """
        measured_ms = calibrated_ms = 0.0
        for row in self._table.rows:
            try:
                columns = self._phone.columns(row.signature)
            except MissingCostError:
                continue
            if row.signature.kind != GRAPH_KIND:
                measured_ms += row.median_us / 1e3
                calibrated_ms += float(columns @ self._coefficients)
        return abs(float(np.log(measured_ms / max(calibrated_ms, FLOOR_MS)))) if measured_ms else 0.0


def _weakness(name: str) -> int:
    return [str(provenance) for provenance in PROVENANCES].index(name)
