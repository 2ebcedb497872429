"""A full table of a new device from few of its rows and the predictor of a known device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from evit_nas.errors import TableError
from evit_nas.graph.kernel import GRAPH_KIND, KernelSignature
from evit_nas.latency.measurement import Measurement, NetworkMeasurement
from evit_nas.latency.predictor.additive import SD, AdditivePredictor
from evit_nas.latency.predictor.base import Floats
from evit_nas.latency.predictor.fit import network_kernels
from evit_nas.latency.predictor.kernel_ratio import Index, KernelPrior, kernel_prior
from evit_nas.latency.predictor.ratio_fit import NetworkTime, Transferred, transfer_kernels
from evit_nas.latency.predictor.transfer_spread import inferred_row
from evit_nas.latency.table.schema import NetworkSpread
from evit_nas.latency.table.store import Table

NOTE = "transferred from "
LEAST_US = 1e-3
SPREAD_MEMBERS = 40  # networks whose uncertainty is compared with the summed one of their kernels


@dataclass(frozen=True, kw_only=True)
class KnownDevice:
    """The device whose times are carried over."""

    device: str
    table: Table
    predictor: AdditivePredictor

    def prior(self, signatures: Sequence[KernelSignature]) -> KernelPrior:
        """Its side of the ratio, by what it takes for each kernel, measured or predicted. Raises MissingCostError."""
        costs = [self.predictor.cost(signature) for signature in signatures]
        us = np.maximum([cost.us for cost in costs], LEAST_US)
        return kernel_prior(signatures, us, np.array([cost.terms[SD] for cost in costs]) / us)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """`source`: the known device. `left_out_percent`: mean error of the whole networks that were timed on the new one,
    each predicted without it and the rows measured in it; of the rows where no network was timed."""

    source: str
    table: Table
    transferred: int
    left_out_percent: float


def own_rows(table: Table) -> tuple[Measurement, ...]:
    """Rows of kernels that were measured on the device itself."""
    return tuple(row for row in table.rows if row.provenance != "transferred" and row.signature.kind != GRAPH_KIND)


def prior_of(
    known: KnownDevice, signatures: Sequence[KernelSignature]
) -> tuple[KernelPrior, dict[KernelSignature, int]]:
    """The known device's side of the ratio for the distinct ones of `signatures`, and their places in it."""
    distinct = tuple(dict.fromkeys(signatures))
    places = {signature: place for place, signature in enumerate(distinct)}
    return known.prior(distinct), places


def transferred_table(
    table: Table,
    known: KnownDevice,
    members: Sequence[Sequence[KernelSignature]],
    *,
    networks: Sequence[NetworkMeasurement] = (),
    moment: str,
) -> Outcome:
    """`table` with a row for each kernel of `members`: measured ones as they are, the others transferred.

    `members`: kernels of usual networks; `networks`: whole ones timed on the device. `moment`: ISO 8601, UTC. The
    interval of a transferred row is 95 % of the process, as the left-out rows scale it; how far off whole networks are
    stands in the provenance.

    Raises TableError where no kernel was measured on the device.
    """
    own = own_rows(table)
    if not own:
        raise TableError(f"{table.path}: no kernel is measured yet; nothing can be carried over")
    timed = [[kernel.signature for kernel in network_kernels(network, table.conditions)] for network in networks]
    prior, places = prior_of(known, [*(row.signature for row in own), *chain.from_iterable((*members, *timed))])
    graph_us = min((row.median_us for row in table.rows if row.signature.kind == GRAPH_KIND), default=0.0)
    found = transfer_kernels(
        prior,
        np.arange(len(own)),
        np.array([row.median_us for row in own]),
        _network_times([member_indices(places, member) for member in timed], networks, graph_us, len(own)),
        [member_indices(places, member) for member in members[:SPREAD_MEMBERS]],
    )
    others = {signature: place for signature, place in places.items() if place >= len(own)}
    return _outcome(table, known, found, _rows(others, found, len(own), moment), moment)


def without_transferred(table: Table) -> Table:
    """Only what was measured."""
    rows = tuple(row for row in table.rows if row.provenance != "transferred")
    update = {"notes": _other_notes(table), "network_spread": None}
    return replace(table, provenance=table.provenance.model_copy(update=update), rows=rows)


def member_indices(places: dict[KernelSignature, int], kernels: Sequence[KernelSignature]) -> Index:
    return np.array([places[signature] for signature in kernels], dtype=np.intp)


def _network_times(
    members: Sequence[Index], networks: Sequence[NetworkMeasurement], graph_us: float, rows: int
) -> list[NetworkTime]:
    """The first `rows` kernels are measured rows; each was timed in the first network that has it."""
    home: dict[int, int] = {}
    for number, member in enumerate(members):
        for kernel in member[member < rows].tolist():
            home.setdefault(kernel, number)
    return [
        NetworkTime(
            kernels=member,
            us=1e3 * network.latency_ms - graph_us,
            rows=np.array([kernel for kernel, first in home.items() if first == number], dtype=np.intp),
        )
        for number, (member, network) in enumerate(zip(members, networks, strict=True))
    ]


def _outcome(
    table: Table, known: KnownDevice, found: Transferred, rows: tuple[Measurement, ...], moment: str
) -> Outcome:
    kept = tuple(row for row in table.rows if row.provenance != "transferred")
    percent = {"rows": _percent(found.left_out)}
    if len(found.networks_left_out):
        percent["networks"] = _percent(found.networks_left_out)
    within = ", ".join(f"{name} within {value:.1f} %" for name, value in percent.items())
    note = (
        f"{NOTE}{known.device} (table {known.table.hash}) by {len(found.left_out)} rows and "
        f"{len(found.networks_left_out)} networks; left out, these are predicted on average: {within}"
    )
    spread = NetworkSpread(base=found.spread.base, growth=found.spread.growth, factor=found.spread.factor)
    update = {"notes": (*_other_notes(table), note), "updated_at": moment, "network_spread": spread}
    return Outcome(
        source=known.device,
        table=replace(table, provenance=table.provenance.model_copy(update=update), rows=(*kept, *rows)),
        transferred=len(rows),
        left_out_percent=percent.get("networks", percent["rows"]),
    )


def _percent(errors: Floats) -> float:
    """Mean size of errors that are given as logarithms of measured over predicted."""
    return float(100 * np.mean(np.abs(np.expm1(-errors))))


def _other_notes(table: Table) -> tuple[str, ...]:
    return tuple(text for text in table.provenance.notes if not text.startswith(NOTE))


def _rows(
    others: dict[KernelSignature, int], found: Transferred, rests_on: int, moment: str
) -> tuple[Measurement, ...]:
    return tuple(
        inferred_row(
            signature,
            float(found.us[place]),
            float(found.relative_sd[place]),
            timings=rests_on,
            moment=moment,
            provenance="transferred",
        )
        for signature, place in others.items()
    )
