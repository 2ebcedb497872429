"""`evit-nas profile --rows N` on a phone: a few rows are measured, the others are carried over from a known device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from pathlib import Path

import numpy as np

from evit_nas.errors import InputError
from evit_nas.graph.kernel import GRAPH_KIND, KernelSignature
from evit_nas.latency.measurement import Measurement
from evit_nas.latency.predictor.fit import fit_additive
from evit_nas.latency.predictor.kernel_transfer import (
    KnownDevice,
    Outcome,
    own_rows,
    prior_of,
    transferred_table,
    without_transferred,
)
from evit_nas.latency.predictor.row_choice import choose_kernels
from evit_nas.latency.profiler.devices.base import DeviceFacts
from evit_nas.latency.profiler.phone import PHONE_FULL
from evit_nas.latency.profiler.plan import ChosenRows, few_options, member_signatures, plan_members
from evit_nas.latency.profiler.samples import now
from evit_nas.latency.table.find import find_table, list_tables
from evit_nas.latency.table.networks import load_networks
from evit_nas.latency.table.store import Table, load_table, write_table
from evit_nas.space.space import SearchSpace
from evit_nas.workflows.latency import device_id

ROWS_A_NETWORK = 3
LEAST_NETWORKS, MOST_NETWORKS = 10, 40  # that rows are spread over
TIMED_NETWORKS = 40  # as a whole; they say more of other networks than rows do, and how wide an interval must be
LARGEST_S = 3.0  # a run of a network that is timed for that alone, by the known device
ENOUGH_ROWS = 400  # from here on the device's own rows say more than another device's
LEAST_SOURCE_ROWS = 100
CANDIDATES = 2  # known devices that are tried against the measured rows
NETWORK_S, RUNS = 30.0, 6  # seconds of the phone that a network counts beside its own runs: large ones are worth theirs


@dataclass
class FewRows:
    """What the profiler is to measure (`choose`), and what is made of it (`complete`).

    `wanted`: the known device, by id or by its table; None: the tool chooses, the nearest for which rows to measure,
    and for their use whichever predicts left-out rows best.
    """

    space: SearchSpace
    seed: int
    tables: Path | None
    threads: int
    wanted: str | None
    _known: tuple[KnownDevice, ...] = ()

    def choose(self, facts: DeviceFacts, rows: Sequence[Measurement], count: int) -> tuple[ChosenRows, ...]:
        """`count` rows, a few in each of some members, and further members to be timed as a whole.

        Raises InputError where no other device is known.
        """
        members = few_options(self.space, PHONE_FULL, self.seed)
        kernels = [member_signatures(member) for member in members]
        measured = [row.signature for row in rows if row.signature.kind != GRAPH_KIND]
        prior, places = prior_of(
            self.known(facts)[0], [*(signature for own in kernels for signature in own), *measured]
        )
        signatures = list(places)
        options = [np.array([places[signature] for signature in own]) for own in kernels]
        us = [float(prior.us[own].sum()) for own in options]
        picks = choose_kernels(
            prior,
            options,
            count=count,
            each=max(min(ROWS_A_NETWORK, count // LEAST_NETWORKS), ceil(count / min(MOST_NETWORKS, len(members)))),
            known=np.array([places[signature] for signature in measured], dtype=np.intp),
            cost_s=NETWORK_S + RUNS * np.array(us) / 1e6,
        )
        chosen = [
            ChosenRows(member=members[pick.option], signatures=frozenset(signatures[i] for i in pick.kernels))
            for pick in picks
        ]
        used = {pick.option for pick in picks}
        whole = [
            ChosenRows(member=member, signatures=frozenset())
            for number, member in enumerate(members)
            if number not in used and us[number] <= 1e6 * LARGEST_S
        ]
        return (*chosen, *whole[: max(0, TIMED_NETWORKS - len(chosen))])

    def complete(self, path: Path, facts: DeviceFacts, *, renew: bool) -> Outcome | None:
        """Write the full table at `path` if asked to `renew` it; None where nothing was carried over.

        From ENOUGH_ROWS rows of its own the device needs none of another, and such rows are dropped.
        """
        table = load_table(path)
        if len(own_rows(table)) >= ENOUGH_ROWS:
            drop_transferred(path)
            return None
        if not renew:
            return None
        moment = now()
        networks = load_networks(path)
        done = [
            transferred_table(table, known, self._planned, networks=networks, moment=moment)
            for known in self.known(facts)
        ]
        best = min(done, key=lambda outcome: outcome.left_out_percent)
        write_table(best.table, path)
        return best

    def known(self, facts: DeviceFacts) -> tuple[KnownDevice, ...]:
        """The known devices, the nearest first. Raises InputError where there is none that serves."""
        if not self._known:
            tables = [self.named()] if self.wanted is not None else self._nearest(facts)
            for table in tables:
                check_serves(table, facts)
            self._known = tuple(_opened(table) for table in tables)
        return self._known

    def named(self) -> Table:
        """The table that was asked for. Raises TableError where there is none."""
        assert self.wanted is not None
        if self.wanted.endswith(".csv"):
            return load_table(Path(self.wanted))
        return load_table(find_table(device_id(self.wanted), self.tables, threads=self.threads))

    def _nearest(self, facts: DeviceFacts) -> list[Table]:
        found = [item.table for item in list_tables(self.tables) if item.table and not unfit(item.table, facts)]
        if not found:
            raise InputError("--rows: no latency table of another device is at hand; name one with --from FILE")
        return sorted(found, key=lambda table: distance(table, facts))[:CANDIDATES]

    @cached_property
    def _planned(self) -> tuple[tuple[KernelSignature, ...], ...]:
        """Kernels of the members that the whole plan would measure."""
        return tuple(member_signatures(member) for member in plan_members(self.space, PHONE_FULL, self.seed))


def drop_transferred(path: Path) -> bool:
    """Leave in the table at `path` only what was measured; whether anything else was there."""
    table = load_table(path)
    measured = without_transferred(table)
    if len(measured.rows) == len(table.rows):
        return False
    write_table(measured, path)
    return True


def unfit(table: Table, facts: DeviceFacts) -> str:
    """Why times cannot be carried over from `table` to a device, "" where they can."""
    rows = own_rows(table)
    if (table.conditions.device, table.provenance.host_fingerprint) == (
        facts.conditions.device,
        facts.host_fingerprint,
    ):
        return "is the device's own"
    if len(rows) < LEAST_SOURCE_ROWS:
        return f"has {len(rows)} measured rows; at least {LEAST_SOURCE_ROWS} are needed"
    if facts.provenance != "simulated" and any(row.provenance == "simulated" for row in rows):
        return "is of a fake phone, and this one is real"
    if table.conditions.dtype != facts.conditions.dtype:
        return f"is for {table.conditions.dtype}, not {facts.conditions.dtype}"
    return ""


def check_serves(table: Table, facts: DeviceFacts) -> None:
    """Raise InputError where times cannot be carried over from `table`."""
    problem = unfit(table, facts)
    if problem:
        raise InputError(f"--from {table.path}: {problem}; name the table of another device")


def distance(table: Table, facts: DeviceFacts) -> tuple[bool, bool, bool, bool, int]:
    """By what a table is nearer than another: threads, whether simulated alike, chip, timed in networks, phone or not,
    rows."""
    rows = own_rows(table)
    simulated = any(row.provenance == "simulated" for row in rows)
    return (
        table.conditions.threads != facts.conditions.threads,
        simulated != (facts.provenance == "simulated"),
        table.provenance.soc != facts.soc,
        any(row.provenance == "measured (public)" for row in rows),
        -len(rows),
    )


def _opened(table: Table) -> KnownDevice:
    networks = load_networks(table.path) if table.path is not None else ()
    return KnownDevice(device=table.conditions.device, table=table, predictor=fit_additive(table, networks))
