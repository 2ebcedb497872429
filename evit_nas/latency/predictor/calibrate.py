"""A latency table from whole-network times alone: a few physical columns, fitted and judged honestly.

The result is labelled `calibrated` and says in its provenance from what, how far off it was on rows that were left
out, and what it rests on by inference only. Method and its limits: docs/latency.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from evit_nas.errors import InputError
from evit_nas.latency.measurement import Conditions
from evit_nas.latency.predictor import least_squares as ls
from evit_nas.latency.predictor.base import Floats
from evit_nas.latency.predictor.calibration_rows import NetworkTime, read_network_times
from evit_nas.latency.predictor.coverage import Ranges
from evit_nas.latency.predictor.features import COST_COLUMNS, axes
from evit_nas.latency.predictor.phone_costs import PHONE, PhoneCosts, shipped_phone_costs
from evit_nas.latency.predictor.recipes import RECIPES, Recipe
from evit_nas.latency.table.schema import TableProvenance
from evit_nas.latency.table.store import Table, table_path, write_table
from evit_nas.space.document import read_text

MIN_ROWS = 6
# prior standard deviations of the coefficients, relative to the fitted one or to what another column implies: the
# rows identify sums only, and what they leave open must widen the interval
DEPTHWISE_MAC_SD = 1.5  # in dense MACs
ELEMENT_SD = 6.0  # in dense MACs per element of an element-wise operator
TRAFFIC_SD = 0.5
PAD_SD_MS_PER_GB = 60.0
TRANSCENDENTAL_MAC_SD = 200.0  # in dense MACs per element where no row contains one
KERNEL_SD_MS = 0.002


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Coefficients (milliseconds per unit of each cost column), their covariance, and every error that is claimed."""

    recipe: Recipe
    coefficients: Floats
    covariance: Floats
    model_sd: float  # relative, from the errors of rows left out
    ranges: Ranges
    errors: dict[str, JsonValue]


def calibrate(rows: Sequence[NetworkTime], *, recipes: Sequence[Recipe] = RECIPES) -> Calibration:
    """Fit and judge. Raises InputError where the rows are too few or of mixed threads and cores."""
    _check(rows)
    fitted = [row for row in rows if row.use == "fit"]
    data = _rows(fitted)
    recipe = ls.choose(data, recipes)
    base = ls.fit(data, recipe)
    errors = ls.nested_errors(data, recipes, [row.name for row in fitted])
    by_family = _left_out(data, recipes, [row.family for row in fitted])  # candidates are of no published family either
    support = [row for row in rows if row.use == "support"]
    coefficients = _with_transcendental(base, support)
    return Calibration(
        recipe=recipe,
        coefficients=coefficients,
        covariance=ls.covariance(data, coefficients, _prior_sd(coefficients)),
        model_sd=max(_model_sd(errors), 0.0 if by_family is None else _model_sd(by_family)),
        ranges=Ranges.of(axes(kernel.signature) for row in fitted for kernel in row.kernels),
        errors=_errors(rows, coefficients, errors, recipes, base),
    )


def _check(rows: Sequence[NetworkTime]) -> None:
    fitted = [row for row in rows if row.use == "fit"]
    if len(fitted) < MIN_ROWS:
        raise InputError(f"{len(fitted)} networks to calibrate from; at least {MIN_ROWS} are needed")
    conditions = {(row.threads, row.core) for row in rows}
    if len(conditions) > 1:
        stated = ", ".join(f"{threads} threads on {core}" for threads, core in sorted(conditions))
        raise InputError(f"networks timed under different conditions ({stated}); calibrate each apart")
    names = [row.name for row in rows]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{twice} has two rows; keep one of them")


def _rows(times: Sequence[NetworkTime]) -> ls.Rows:
    return ls.Rows(
        np.array([row.columns for row in times]).reshape(len(times), len(COST_COLUMNS)),
        np.array([row.ms for row in times]),
        np.array([row.half_rounding_ms for row in times]),
    )


def _with_transcendental(base: Floats, support: Sequence[NetworkTime]) -> Floats:
    """`base` with the cost of transcendental functions from other families, all else held (weighted, not negative).

    Without such rows it keeps the weight of SD888's element-wise operators times ten, as a labelled guess would.
    """
    index = COST_COLUMNS.index("transcendental_g")
    coefficients = base.copy()
    rows = _rows(support)
    x = rows.columns[:, index] / rows.ms if len(rows) else np.zeros(0)
    if not x.any():
        coefficients[index] = 60 * base[COST_COLUMNS.index("dense_gmac")]
        return coefficients
    weight = 1 / rows.relative_sd**2
    missing = -ls.relative_errors(rows, base)
    coefficients[index] = max(0.0, float((weight * x * missing).sum() / (weight * x * x).sum()))
    return coefficients


def _prior_sd(coefficients: Floats) -> Floats:
    dense = coefficients[COST_COLUMNS.index("dense_gmac")]
    sd = {
        "dense_gmac": dense,
        "depthwise_gmac": DEPTHWISE_MAC_SD * dense,
        "elementwise_g": ELEMENT_SD * dense,
        "transcendental_g": TRANSCENDENTAL_MAC_SD * dense,
        "pad_gb": PAD_SD_MS_PER_GB,
        "kernels": KERNEL_SD_MS,
    }
    traffic = max(coefficients[i] for i, name in enumerate(COST_COLUMNS) if name.startswith("traffic"))
    return np.array(
        [
            sd.get(name, max(TRAFFIC_SD * traffic, 1e-6) if value else 1e-6)
            for name, value in zip(COST_COLUMNS, coefficients, strict=True)
        ]
    )


def _model_sd(errors: Floats) -> float:
    """Relative standard deviation that lets a 90 % normal interval hold 90 % of the left-out rows (split conformal)."""
    count = len(errors)
    rank = min(count, int(np.ceil(0.9 * (count + 1))))
    return float(np.sort(np.abs(errors))[rank - 1] / 1.645)


def _errors(
    rows: Sequence[NetworkTime], coefficients: Floats, nested: Floats, recipes: Sequence[Recipe], base: Floats
) -> dict[str, JsonValue]:
    fitted = [row for row in rows if row.use == "fit"]
    data = _rows(fitted)
    half = data.half_rounding_ms / data.ms
    outside = np.maximum(np.abs(nested) - half, 0)
    checks: dict[str, JsonValue] = {
        row.name: _percent(ls.relative_errors(_rows([row]), coefficients)[0]) for row in rows if row.use == "check"
    }
    return {
        "loo_mape": _percent(np.abs(nested).mean()),
        "loo_max": _percent(np.abs(nested).max()),
        "loo_mape_outside_rounding": _percent(outside.mean()),
        "loo_max_outside_rounding": _percent(outside.max()),
        "in_sample_mape": _percent(np.abs(ls.relative_errors(data, base)).mean()),
        "loo_errors": _by_name(fitted, nested),
        "loo_errors_outside_rounding": _by_name(fitted, np.sign(nested) * outside + 0.0),
        "leave_family_out_mape": _by_label(data, recipes, [row.family for row in fitted]),
        "leave_task_out_mape": _by_label(data, recipes, [row.group for row in fitted]),
        "never_fitted": checks,
        "support_leave_family_out_mape": _support_errors([row for row in rows if row.use == "support"], base),
    }


def _by_name(rows: Sequence[NetworkTime], errors: Floats) -> dict[str, JsonValue]:
    return {row.name: _percent(error) for row, error in zip(rows, errors, strict=True)}


def _left_out(data: ls.Rows, recipes: Sequence[Recipe], labels: Sequence[str]) -> Floats | None:
    """Nested errors with each label left out in turn; None where that would leave too few rows."""
    if len(set(labels)) < 2 or min(len(labels) - labels.count(label) for label in labels) < MIN_ROWS - 1:
        return None
    return ls.nested_errors(data, recipes, labels)


def _by_label(data: ls.Rows, recipes: Sequence[Recipe], labels: Sequence[str]) -> dict[str, JsonValue]:
    errors = _left_out(data, recipes, labels)
    if errors is None:
        return {}
    names = np.array(labels)
    return {label: _percent(np.abs(errors[names == label]).mean()) for label in dict.fromkeys(labels)}


def _support_errors(support: Sequence[NetworkTime], base: Floats) -> dict[str, JsonValue]:
    """Each supporting family predicted with the transcendental cost of the others."""
    errors: dict[str, JsonValue] = {}
    for group in dict.fromkeys(row.group for row in support):
        others = [row for row in support if row.group != group]
        if others:
            left_out = _rows([row for row in support if row.group == group])
            errors[group] = _percent(np.abs(ls.relative_errors(left_out, _with_transcendental(base, others))).mean())
    return errors


def _percent(fraction: float) -> float:
    return round(100 * float(fraction), 3)


def to_provenance(
    calibration: Calibration,
    rows: Sequence[NetworkTime],
    phone: PhoneCosts,
    *,
    device: str,
    source: str,
    notes: Sequence[str] = (),
) -> TableProvenance:
    """The JSON of the table: conditions, coefficients and everything under `calibration`."""
    first = rows[0]
    document: dict[str, JsonValue] = {
        "method": "non-negative least squares on relative error; recipe chosen inside the fold (one standard error)",
        "recipe": calibration.recipe.name,
        "recipes": len(RECIPES),
        "model_sd": round(calibration.model_sd, 5),
        "covariance": [[float(f"{v:.6g}") for v in row] for row in calibration.covariance.tolist()],
        "calibrated_from": {row.name: row.ms for row in rows if row.use == "fit"},
        "supported_by": {row.name: row.ms for row in rows if row.use == "support"},
        "errors_percent": calibration.errors,
        "ranges": calibration.ranges.document(),  # type: ignore[dict-item]
        "phone": {"device": PHONE, **phone.document()},
    }
    return TableProvenance(
        conditions=Conditions(device=device, core=first.core.lower(), threads=first.threads, lowering="authors"),
        soc=device,
        source=source,
        notes=tuple(notes),
        coefficients={
            name: float(f"{value:.6g}") for name, value in zip(COST_COLUMNS, calibration.coefficients, strict=True)
        },
        calibration=document,
    )


def calibrate_table(rows_csv: Path, *, device: str, tables_dir: Path) -> Table:
    """Calibrate from `rows_csv` and write the table of `device` under `tables_dir`.

    `<name>.source.txt` beside the CSV, where there is one, says where the rows come from and under which licence (first
    line) and what else must be known (a note a line).
    """
    phone = shipped_phone_costs()
    rows = read_network_times(rows_csv, phone)
    beside = rows_csv.with_suffix(".source.txt")
    lines = (read_text(beside).splitlines() if beside.exists() else []) or [rows_csv.name]
    provenance = to_provenance(calibrate(rows), rows, phone, device=device, source=lines[0], notes=lines[1:])
    table = Table(provenance=provenance, rows=(), notes=provenance.notes)
    return write_table(table, table_path(tables_dir, provenance.conditions))
