"""`evit-nas tables` and its subcommands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evit_nas.errors import InputError
from evit_nas.latency.measurement import PROVENANCES
from evit_nas.latency.table.compare import diff_tables, merge_tables
from evit_nas.latency.table.find import check_given, check_table, list_tables, tables_under, writable_tables_dir
from evit_nas.latency.table.store import Table, load_table, write_table
from evit_nas.workflows.latency import HOST
from evit_nas.workflows.results import (
    CalibrateResult,
    CalibrationFit,
    RowChange,
    TableCheck,
    TableInfo,
    TablesDiffResult,
    TablesMergeResult,
    TablesResult,
    TablesValidateResult,
)

WORST = 5  # inversions that are shown of each table


def tables(*, tables: Path | None = None) -> TablesResult:
    """The tables at hand, nearest first. A damaged one is left out here; `tables validate` names it."""
    check_given(tables)
    found = list_tables(tables)
    return TablesResult(tables=tuple(_info(item.path, item.table) for item in found if item.table is not None))


def tables_diff(a: Path, b: Path) -> TablesDiffResult:
    """Kernel by kernel: what differs, by how much."""
    diff = diff_tables(load_table(a), load_table(b))
    changes = tuple(
        RowChange(signature=row.signature.key, a_us=row.a_us, b_us=row.b_us, ratio=row.ratio) for row in diff.changed
    )
    return TablesDiffResult(
        a=a,
        b=b,
        shared=diff.common,
        only_a=len(diff.only_a),
        only_b=len(diff.only_b),
        median_ratio=diff.median_ratio,
        changes=changes,
        drift=diff.drift,
    )


def tables_validate(paths: Sequence[Path] = ()) -> TablesValidateResult:
    """Check the tables given, as files or as folders, or every table at hand."""
    given = [table for path in paths for table in tables_under(path)]
    found = tuple(check_table(path) for path in given) if paths else list_tables()
    checks = tuple(_check(item.path, item.table, item.problem) for item in found)
    return TablesValidateResult(tables=checks, valid=all(not check.problem for check in checks))


def _check(path: Path, table: Table | None, problem: str) -> TableCheck:
    from evit_nas.latency.predictor.inversions import inversions

    rows = table.rows if table else ()
    found = inversions(row for row in rows if row.provenance == "measured")
    worst = tuple(
        f"{item.smaller.signature.key}: {item.smaller.median_us:.1f} us, the larger "
        f"{item.larger.signature.key}: {item.larger.median_us:.1f} us"
        for item in found[:WORST]
    )
    return TableCheck(path=path, rows=len(rows), problem=problem, inversions=len(found), worst_inversions=worst)


def tables_merge(a: Path, b: Path, *, out: Path) -> TablesMergeResult:
    """One table of the same conditions from two; where both have a kernel the better provenance, then the newer."""
    left, right = load_table(a), load_table(b)
    merged = write_table(merge_tables([left, right]), out)
    from_a = sum(row in left.rows for row in merged.rows)
    return TablesMergeResult(table=out, rows=len(merged.rows), from_a=from_a, from_b=len(merged.rows) - from_a)


def tables_calibrate(*, device: str, rows: Path, out: Path | None = None) -> CalibrateResult:
    """A table of `device` from whole-network times alone (columns: arch, resolution, threads, core, ms)."""
    from evit_nas.latency.predictor.calibrate import calibrate_table

    if device == HOST:
        raise InputError("--device host: this machine's table is measured (evit-nas profile); give a name of its own")

    if not rows.is_file():
        raise InputError(f"{rows}: no such file; give a CSV with the columns arch, resolution, threads, core, ms")
    table = calibrate_table(rows, device=device, tables_dir=writable_tables_dir(out))
    calibration, path = table.provenance.calibration, table.path
    assert calibration is not None
    assert path is not None
    document: dict[str, Any] = dict(calibration)
    totals, times = document["errors_percent"], document["calibrated_from"]
    return CalibrateResult(
        table=path,
        rows=len(times),
        loo_mape=totals["loo_mape"],
        in_sample_mape=totals["in_sample_mape"],
        networks=tuple(
            CalibrationFit(name=name, measured_ms=ms, left_out_ms=ms * (1 + totals["loo_errors"][name] / 100))
            for name, ms in times.items()
        ),
    )


def _info(path: Path, table: Table) -> TableInfo:
    conditions, origin = table.conditions, table.provenance
    calibrated = origin.calibration is not None
    counts = Counter(row.provenance for row in table.rows)
    weakest = max(counts, key=PROVENANCES.index) if counts else "measured"
    return TableInfo(
        path=path,
        device=conditions.device,
        runtime=conditions.runtime,
        delegate=conditions.delegate,
        core=conditions.core,
        threads=conditions.threads,
        dtype=conditions.dtype,
        lowering=conditions.lowering,
        rows=len(table.rows),
        provenance="calibrated" if calibrated else weakest,
        measured_at=max((row.measured_at for row in table.rows), default=None),
        source=origin.source or origin.cpu_model,
        hash=table.hash,
    )
