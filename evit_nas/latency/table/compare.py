"""What differs between two tables, and one table from several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from evit_nas.errors import InputError, TableError
from evit_nas.graph.kernel import KernelSignature
from evit_nas.latency.measurement import PROVENANCES, Conditions, Measurement
from evit_nas.latency.table.store import Table
from evit_nas.soc.registry import resolve

DRIFT = 1.02  # a shift of the median ratio beyond this, shared by most kernels, is called drift
CHANGED = 1.05  # a kernel counts as changed beyond this, with intervals that do not overlap


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangedRow:
    """A kernel whose time differs: `ratio` is b over a."""

    signature: KernelSignature
    a_us: float
    b_us: float
    ratio: float


@dataclass(frozen=True, kw_only=True, slots=True)
class TableDiff:
    """`median_ratio` (b over a, of the kernels in both; None where there are none) with its quartiles.

    `drift`: most kernels moved the same way by more than 2 %, as when the machine changed, not single kernels.
    """

    only_a: tuple[KernelSignature, ...]
    only_b: tuple[KernelSignature, ...]
    common: int
    changed: tuple[ChangedRow, ...]
    median_ratio: float | None
    quartiles: tuple[float, float] | None
    drift: bool
    conditions: tuple[str, ...]  # fields of the conditions that differ


def diff_tables(a: Table, b: Table) -> TableDiff:
    """Compare kernel by kernel. Largest change first."""
    left = {row.signature.key: row for row in a.rows}
    right = {row.signature.key: row for row in b.rows}
    both = [(left[key], right[key]) for key in left if key in right]
    ratios = sorted(y.median_us / x.median_us for x, y in both)
    middle = median(ratios) if ratios else None
    quartiles = (ratios[len(ratios) // 4], ratios[(3 * len(ratios)) // 4]) if ratios else None
    return TableDiff(
        only_a=tuple(row.signature for key, row in left.items() if key not in right),
        only_b=tuple(row.signature for key, row in right.items() if key not in left),
        common=len(both),
        changed=_changed(both),
        median_ratio=middle,
        quartiles=quartiles,
        drift=quartiles is not None and (quartiles[0] > DRIFT or quartiles[1] < 1 / DRIFT),
        conditions=tuple(
            name for name in a.conditions.__slots__ if getattr(a.conditions, name) != getattr(b.conditions, name)
        ),
    )


def _changed(both: Sequence[tuple[Measurement, Measurement]]) -> tuple[ChangedRow, ...]:
    rows = []
    for x, y in both:
        ratio = y.median_us / x.median_us
        apart = x.high_us < y.low_us or y.high_us < x.low_us
        if apart and not 1 / CHANGED <= ratio <= CHANGED:
            rows.append(ChangedRow(signature=x.signature, a_us=x.median_us, b_us=y.median_us, ratio=ratio))
    return tuple(sorted(rows, key=lambda row: -max(row.ratio, 1 / row.ratio)))


def merge_tables(tables: Sequence[Table]) -> Table:
    """One table of all rows: per kernel the strongest provenance, then the latest measurement.

    Conditions are those of the first table with rows; coefficients and calibration are the first table's that has some,
    and stand for the kernels without a row. Raises TableError where conditions or runtimes differ (see
    `differing_conditions`), or where simulated rows would stand beside anything real.
    """
    if not tables:
        raise TableError("no table to merge")
    first = next((table for table in tables if table.rows), tables[0])
    for other in tables:
        if other is not first:
            _check_mergeable(first, other)
    best: dict[str, Measurement] = {}
    for row in (row for table in tables for row in table.rows):
        known = best.get(row.signature.key)
        if known is None or _rank(row) > _rank(known):
            best[row.signature.key] = row
    calibrated = next((t for t in tables if t.provenance.coefficients is not None), first).provenance
    notes = tuple(dict.fromkeys(note for table in tables for note in table.provenance.notes))
    sources = dict.fromkeys(table.provenance.source for table in tables if table.provenance.source)
    provenance = first.provenance.model_copy(
        update={
            "source": "; ".join(sources),
            "notes": notes,
            "coefficients": calibrated.coefficients,
            "calibration": calibrated.calibration,
        }
    )
    return Table(provenance=provenance, rows=tuple(best.values()), notes=notes)


def differing_conditions(a: Table, b: Table) -> tuple[str, ...]:
    """Fields of the conditions that keep the rows of `a` and `b` apart.

    A calibration has no rows: it may be of another lowering (a kernel's signature is the same in any), and its core may
    have the chip's own name for the same cores (`x2` of sm8450 is the prime one).
    """
    names = [name for name in a.conditions.__slots__ if getattr(a.conditions, name) != getattr(b.conditions, name)]
    if any(table.provenance.calibration is not None and not table.rows for table in (a, b)):
        same_cores = _role(a.conditions) == _role(b.conditions)
        names = [name for name in names if name != "lowering" and not (name == "core" and same_cores)]
    return tuple(names)


def _role(conditions: Conditions) -> str:
    """The role of the cores that a name stands for on the device's chip; the name itself where neither is known."""
    try:
        clusters = resolve(conditions.device).clusters
    except InputError:
        return conditions.core
    named = (cluster.role for cluster in clusters if cluster.part_name.lower().endswith(f"-{conditions.core}"))
    return next(named, conditions.core)


def _rank(row: Measurement) -> tuple[int, str]:
    return -PROVENANCES.index(row.provenance), row.measured_at


def _check_mergeable(a: Table, b: Table) -> None:
    for name in differing_conditions(a, b):
        raise TableError(
            f"{b.path or 'second table'}: {name} {getattr(b.conditions, name)!r} does not mix with "
            f"{getattr(a.conditions, name)!r} of {a.path or 'the first'}"
        )
    for name in ("runtime_hash", "host_fingerprint"):
        left, right = getattr(a.provenance, name), getattr(b.provenance, name)
        if left and right and left != right:
            raise TableError(f"{b.path or 'second table'}: {name} {right} does not mix with {left}")
    kinds = {row.provenance for table in (a, b) for row in table.rows} - {"transferred"}
    kinds |= {"calibrated" for table in (a, b) if table.provenance.calibration is not None}
    if "simulated" in kinds and len(kinds) > 1:
        raise TableError(f"{b.path or 'second table'}: simulated rows never mix with real ones")
