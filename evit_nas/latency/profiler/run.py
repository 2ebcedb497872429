"""One profiling run on a device: members of a space, measured one after the other into a table that survives kills."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from evit_nas.graph.blocks import MBConv
from evit_nas.graph.cost import arch_macs
from evit_nas.graph.emit import emit, emit_block
from evit_nas.graph.kernel import KernelSignature
from evit_nas.graph.opgraph import OpGraph
from evit_nas.latency.measurement import Measurement
from evit_nas.latency.profiler.devices.base import Device
from evit_nas.latency.profiler.plan import (
    ChooseRows,
    ChosenRows,
    Effort,
    member_signatures,
    plan_members,
)
from evit_nas.latency.profiler.profiled import profile_network
from evit_nas.latency.profiler.protocol import (
    CANARY_LIMIT,
    Canary,
    calm_round,
    event_centre,
    require_calm,
    time_network,
)
from evit_nas.latency.profiler.repeats import repeated_row
from evit_nas.latency.profiler.samples import GRAPH_SIGNATURE, graph_row, network_row, now, rows_of_profile
from evit_nas.latency.profiler.statistics import centre_of
from evit_nas.latency.table.networks import NetworkWriter
from evit_nas.latency.table.schema import TableProvenance
from evit_nas.latency.table.store import TableWriter
from evit_nas.space.dimension import Candidate
from evit_nas.space.space import SearchSpace
from evit_nas.tflite.weights import fill_random
from evit_nas.tflite.writer import write

MAX_SKIPPED = 5  # disturbed networks in a row before the run gives up
# small enough that its kernels take a few microseconds: what is left is the cost of running a graph
TINY = MBConv(4, 4, 8, 8, 2, 3, 1, "relu6", False, False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Where a profiling run stands; times in seconds of this run."""

    networks_done: int
    networks_planned: int
    rows: int
    elapsed_s: float
    left_s: float
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProfileResult:
    """`rows` and `networks` stand in the table now, `rows_new` came in this run. `notes` says what was out of order."""

    table: Path
    rows: int
    rows_new: int
    networks: int
    networks_new: int
    elapsed_s: float
    notes: tuple[str, ...]


Report = Callable[[Progress], None]


def profile_device(
    device: Device,
    space: SearchSpace,
    *,
    tables_dir: Path,
    effort: Effort,
    seed: int = 0,
    max_rows: int | None = None,
    choose_rows: ChooseRows | None = None,
    progress: Report | None = None,
) -> ProfileResult:
    """The same on any device; the caller holds whatever lock the device needs.

    With `choose_rows` only the rows that it chooses are measured, `max_rows` of them, and not the plan of the space.
    """
    canary = Canary(device)
    canary.settle()
    with (
        TableWriter(tables_dir, _provenance(device, canary.reference_us)) as table,
        NetworkWriter(table.path) as networks,
    ):
        run = _Run(device, canary, effort, table, networks, progress)
        run.begin()
        if choose_rows is not None:
            wanted = (max_rows or 0) - run.rows_new
            run.measure_chosen(choose_rows(device.facts, table.rows, wanted) if wanted > 0 else ())
            return run.finish()
        members = plan_members(space, effort, seed)
        run.measure(members, max_rows=max_rows, planned=len(members))
        return run.finish()


@dataclass
class _Run:
    """One profiling run: the open table and what it has come to."""

    device: Device
    canary: Canary
    effort: Effort
    table: TableWriter
    networks: NetworkWriter
    report: Report | None
    notes: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    skipped: int = 0

    def begin(self) -> None:
        """Compare the canary with the one of earlier runs, time a bare graph."""
        self.rows_before, self.networks_before = len(self.table.rows), len(self.networks.rows)
        self.notes += self.table.notes
        self._compare_with_earlier_runs()
        if GRAPH_SIGNATURE not in self.table:
            self.table.append(self._graph_row())

    def measure(self, members: Sequence[Candidate], *, max_rows: int | None, planned: int) -> None:
        """Measure members until they, the time or `max_rows` run out."""
        for member in members:
            if self.elapsed_s > self.effort.limit_seconds:
                self.notes.append(f"stopped after {self.elapsed_s:.0f} s, as planned")
                return
            if max_rows is not None and self.rows_new >= max_rows:
                return
            if not self._finished(member):
                self._measure_member(member, max_rows)
                self._tell(planned)

    def measure_chosen(self, chosen: Sequence[ChosenRows]) -> None:
        """Measure a few rows, or none, in each of some members, and time each of these as a whole."""
        for item in chosen:
            if item.signatures or not self.networks.has(item.member.arch, item.member.resolution):
                self._measure_member(item.member, None, only=item.signatures)
            self._tell(len(chosen))

    def finish(self) -> ProfileResult:
        self.table.close(updated_at=now(), notes=self.notes)
        return ProfileResult(
            table=self.table.path,
            rows=len(self.table.rows),
            rows_new=self.rows_new,
            networks=len(self.networks.rows),
            networks_new=len(self.networks.rows) - self.networks_before,
            elapsed_s=self.elapsed_s,
            notes=tuple(dict.fromkeys(self.notes)),
        )

    @property
    def rows_new(self) -> int:
        return len(self.table.rows) - self.rows_before

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self.started

    def _finished(self, member: Candidate) -> bool:
        """Timed as a whole and kernel by kernel; of some networks only chosen rows were kept."""
        if not self.networks.has(member.arch, member.resolution):
            return False
        return all(signature in self.table for signature in member_signatures(member))

    def _measure_member(
        self, member: Candidate, max_rows: int | None, *, only: frozenset[KernelSignature] | None = None
    ) -> None:
        graph = emit(member.arch, member.resolution)
        model = write(fill_random(graph, seed=0))
        seconds, runs = self.effort.round_seconds, self.effort.runs(arch_macs(member.arch, member.resolution))
        timing = time_network(self.canary, model, seconds=seconds, min_runs=runs, rounds=(1, 1))
        profiled = None
        if only is None or only:
            profiled = profile_network(self.canary, model, seconds=seconds, min_runs=runs, rounds=self.effort.processes)
        problem = timing.problem or (profiled.problem if profiled else "")
        if problem:
            self._skip(member, problem)
            return
        self.skipped = 0
        rows = rows_of_profile(graph, profiled, provenance=self.device.facts.provenance) if profiled else ()
        wanted = rows if only is None else [row for row in rows if row.signature in only]
        new = [row for row in wanted if row.signature not in self.table]
        room = len(new) if max_rows is None else max_rows - self.rows_new
        for row in new[:room]:
            self.table.append(self._repeated(row) if row.median_us < self.effort.short_us else row)
        # else the next run measures the rest of it
        if len(new) <= room and not self.networks.has(member.arch, member.resolution):
            self.networks.append(network_row(member, timing, self.device.facts.provenance))

    def _repeated(self, row: Measurement) -> Measurement:
        graph_us = next(row.median_us for row in self.table.rows if row.signature == GRAPH_SIGNATURE)
        return repeated_row(self.canary, row, graph_us, rounds=self.effort.processes)

    def _skip(self, member: Candidate, problem: str) -> None:
        height, width = member.resolution
        self.notes.append(f"a member at {height}x{width} was left out: {problem}")
        self.skipped += 1
        if self.skipped >= MAX_SKIPPED:
            require_calm(problem, self.device)

    def _compare_with_earlier_runs(self) -> None:
        earlier, current = self.table.provenance.canary_us, self.canary.reference_us
        if earlier is None or current is None or earlier == current:
            return
        ratio = current / earlier
        self.canary.move_reference(earlier)
        if abs(ratio - 1) > CANARY_LIMIT:
            self.notes.append(
                f"the machine has changed since this table was begun: its reference model takes {ratio:.2f} times as "
                "long; rows of both times are kept, each with its canary"
            )

    def _graph_row(self) -> Measurement:
        model = _model(emit_block(TINY))
        whole = calm_round(self.canary, lambda: self.device.time_us(model, seconds=0.05, min_runs=50))
        parts = calm_round(self.canary, lambda: self.device.profile(model, seconds=0.05, min_runs=50))
        kernels_us = sum(event_centre(event).median for event in parts.value)
        return graph_row(
            centre_of(whole.value),
            kernels_us,
            timings=len(whole.value),
            canary=whole.canary,
            provenance=self.device.facts.provenance,
        )

    def _tell(self, planned: int) -> None:
        if self.report is None:
            return
        done = len(self.networks.rows) - self.networks_before
        by_count = self.elapsed_s / max(done, 1) * max(planned - len(self.networks.rows), 0)
        left = min(by_count, max(self.effort.limit_seconds - self.elapsed_s, 0.0))
        self.report(
            Progress(
                networks_done=len(self.networks.rows),
                networks_planned=max(planned, len(self.networks.rows)),
                rows=len(self.table.rows),
                elapsed_s=self.elapsed_s,
                left_s=left,
            )
        )


def _model(graph: OpGraph) -> bytes:
    return write(fill_random(graph, seed=0))


def _provenance(device: Device, canary_us: float | None) -> TableProvenance:
    facts = device.facts
    return TableProvenance(
        conditions=facts.conditions,
        cpu_model=facts.cpu_model,
        soc=facts.soc,
        host_fingerprint=facts.host_fingerprint,
        runtime_version=facts.runtime_version,
        runtime_hash=facts.runtime_hash,
        tool_version=_tool_version(),
        notes=facts.notes,
        canary_us=canary_us,
        created_at=now(),
        updated_at=now(),
    )


def _tool_version() -> str:
    try:
        return version("evit-nas")
    except PackageNotFoundError:
        return "unknown"
