"""`evit-nas profile`: build or continue the per-kernel latency table of a device."""

from __future__ import annotations

import time
from pathlib import Path

from evit_nas.errors import InputError, TableError
from evit_nas.latency.predictor.needed import extreme_blocks
from evit_nas.latency.profiler.alone import blocks_alone, measure_alone, operators_alone
from evit_nas.latency.profiler.devices.host import HostDevice
from evit_nas.latency.profiler.devices.phone_rounds import read_rounds
from evit_nas.latency.profiler.devices.phone_session import find_phone
from evit_nas.latency.profiler.host import Progress as HostProgress
from evit_nas.latency.profiler.host import profile_host
from evit_nas.latency.profiler.lock import machine_lock
from evit_nas.latency.profiler.operators import operator_signatures
from evit_nas.latency.profiler.phone import profile_phone
from evit_nas.latency.table.find import writable_tables_dir
from evit_nas.latency.table.store import load_table
from evit_nas.space.space import SearchSpace, load_space
from evit_nas.workflows.candidates import resolve_lowering
from evit_nas.workflows.few_rows import FewRows
from evit_nas.workflows.latency import device_id, is_host, kernels_of, open_device
from evit_nas.workflows.progress import Progress, Silent
from evit_nas.workflows.results import ProfileResult

COVERAGE_MEMBERS = 30
COVERAGE_SEED = 1
FAR_PERCENT = 5.0  # left-out error of whole networks beyond which the known device says little of this one


def profile(
    device: str,
    *,
    space: str | Path = "efficientvit-seg",
    quick: bool = False,
    rows: int | None = None,
    source: str | None = None,
    core: str | None = None,
    benchmark_model: Path | None = None,
    tables: Path | None = None,
    merge: bool = False,
    threads: int = 1,
    seed: int = 0,
    progress: Progress | None = None,
) -> ProfileResult:
    """Measure the kernels that `space` needs, each once, where they run: inside members of the space.

    `device`: `host`, the serial of a phone, or the chip of the one attached phone that has it. `rows`: on the host,
    stop after so many new ones; on a phone, measure so many chosen ones and carry the others over from `source`, a
    known device or its table (chosen where None). Killed and called again, it goes on where it was.
    """
    if source is not None and (is_host(device) or rows is None):
        raise InputError("--from is for a phone of which --rows N are measured")
    if not is_host(device):
        shown = progress or Silent()
        return _on_phone(device, space, quick, rows, source, core, benchmark_model, tables, threads, seed, shown)
    if core is not None or benchmark_model is not None:
        raise InputError("--core and --benchmark-model are for phones; the host times one pinned core by itself")
    loaded = load_space(space)
    shown = progress or Silent()
    started = time.monotonic()
    result = profile_host(
        loaded,
        tables_dir=writable_tables_dir(tables),
        quick=quick,
        threads=threads,
        seed=seed,
        max_rows=rows,
        progress=_Shown(shown),
    )
    for text in result.notes:
        shown.note(text)
    others = 0 if quick or rows is not None else _beyond_members(result.table, loaded, threads, shown)
    return ProfileResult(
        table=result.table,
        rows=result.rows + others,
        rows_new=result.rows_new + others,
        coverage=_covered(device, loaded, tables, threads, merge),
        device=device_id(device),
        seconds=time.monotonic() - started,
    )


def _beyond_members(table: Path, space: SearchSpace, threads: int, shown: Progress) -> int:
    """Shapes that only the largest members have, and operators that only other networks have; rows added."""
    extremes = extreme_blocks(space, [row.signature for row in load_table(table).rows])
    with machine_lock("timing", note=shown.note):
        device = HostDevice(threads=threads)
        rows = measure_alone(device, table, blocks_alone(extremes))
        return rows + measure_alone(device, table, operators_alone(operator_signatures()))


def _on_phone(
    device: str,
    space: str | Path,
    quick: bool,
    rows: int | None,
    source: str | None,
    core: str | None,
    benchmark_model: Path | None,
    tables: Path | None,
    threads: int,
    seed: int,
    shown: Progress,
) -> ProfileResult:
    loaded, started = load_space(space), time.monotonic()
    tables_dir = writable_tables_dir(tables)
    few = FewRows(space=loaded, seed=seed, tables=tables, threads=threads, wanted=source)
    if source is not None:
        few.named()  # before the phone is touched
    drawn = _Drawn(shown)
    done = profile_phone(
        find_phone(device),
        loaded,
        tables_dir=tables_dir,
        allow_simulated=tables is not None,
        quick=quick,
        core=core,
        benchmark_model=benchmark_model,
        threads=threads,
        seed=seed,
        max_rows=rows,
        choose_rows=None if rows is None else few.choose,
        progress=_Shown(shown),
        logged=drawn.add,
    )
    for text in done.result.notes:
        shown.note(text)
    identity = done.facts.conditions.device
    carried = few.complete(done.result.table, done.facts, renew=rows is not None)
    if carried is not None and carried.left_out_percent > FAR_PERCENT:
        shown.note(f"{carried.source} is far from this phone: {carried.left_out_percent:.0f} % off; measure more rows")
    return ProfileResult(
        table=done.result.table,
        rows=done.result.rows + (carried.transferred if carried else 0),
        rows_new=done.result.rows_new,
        coverage=_covered(identity, loaded, tables_dir, threads, merge=False),
        device=identity,
        seconds=time.monotonic() - started,
        phone_seconds=done.phone_s,
        transferred=carried.transferred if carried else None,
        transferred_from=carried.source if carried else None,
        rounds_figure=drawn.figure,
    )


def _covered(device: str, space: SearchSpace, tables: Path | None, threads: int, merge: bool) -> float:
    """Mean share of the predicted time of random members that is measured or interpolated."""
    model = open_device(device, tables=tables, threads=threads, merge=merge)
    lowering = resolve_lowering(None, default=model.table.conditions.lowering)
    members = space.sample(COVERAGE_SEED, COVERAGE_MEMBERS)
    predictions = [model.predictor.predict(kernels_of(m.arch, m.resolution, lowering)) for m in members]
    return 1.0 - sum(prediction.coverage.extrapolated for prediction in predictions) / len(predictions)


class _Drawn:
    """Draws a log of rounds beside it, and says so: also of a run that ended before its time."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.figure: Path | None = None

    def add(self, log: Path) -> None:
        from evit_nas.report.figures import write_figure
        from evit_nas.report.rounds_figure import draw_rounds

        try:
            lines = read_rounds(log)
        except TableError as error:  # of no account beside the rows, or beside why the run ended
            self._progress.note(str(error))
            return
        if lines:
            (self.figure,) = write_figure(draw_rounds(lines), log.parent, log.stem, ("png",))
            self._progress.note(f"rounds drawn in {self.figure}")


class _Shown:
    """Draws the profiler's reports on a progress bar."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._total = 0
        self._done = 0

    def __call__(self, report: HostProgress) -> None:
        if report.note:
            self._progress.note(report.note)
            return
        if report.networks_planned != self._total:
            self._total = report.networks_planned
            self._progress.start(self._total, "networks timed, kernel by kernel")
            self._done = 0
        self._progress.advance(report.networks_done - self._done)
        self._done = report.networks_done
