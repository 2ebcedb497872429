"""A full table of a new device from few of its rows and the predictor of a known device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from evit_nas.errors import TableError
from evit_nas.graph.kernel import GRAPH_KIND, Kernel, KernelSignature
from evit_nas.latency.measurement import Measurement, NetworkMeasurement
from evit_nas.latency.predictor.base import Floats, LatencyPredictor
from evit_nas.latency.predictor.fit import network_kernels
from evit_nas.latency.predictor.kernel_ratio import (
    Index,
    KernelPrior,
    NetworkTime,
    Transferred,
    kernel_prior,
    transfer_kernels,
)
from evit_nas.latency.predictor.transfer_spread import inferred_row
from evit_nas.latency.table.store import Table

NOTE = "transferred from "


@dataclass(frozen=True, kw_only=True)
class KnownDevice:
    """The device whose times are carried over."""

    device: str
    table: Table
    predictor: LatencyPredictor

    def times_us(self, signatures: Sequence[KernelSignature]) -> Floats:
        """What it takes for each kernel, measured or predicted, shape (K,). Raises MissingCostError."""
        kernels = [Kernel(signature=signature, ops=()) for signature in signatures]
        return np.maximum(self.predictor.kernel_times_us(kernels), 1e-3)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """`left_out_percent`: mean error of measured rows, each predicted from the others; `source`: the known device."""

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
    return kernel_prior(distinct, known.times_us(distinct)), places


def transferred_table(
    table: Table,
    known: KnownDevice,
    signatures: Sequence[KernelSignature],
    *,
    networks: Sequence[NetworkMeasurement] = (),
    moment: str,
) -> Outcome:
    """`table` with a row for each of `signatures`: measured ones as they are, the others transferred.

    `networks`: whole ones timed on the device.

    The interval of a transferred row is 95 % of the process, as the left-out rows scale it. `moment`: ISO 8601, UTC.
    Raises TableError where no kernel was measured on the device.
    """
    own = own_rows(table)
    if not own:
        raise TableError(f"{table.path}: no kernel is measured yet; nothing can be carried over")
    members = [[kernel.signature for kernel in network_kernels(network, table.conditions)] for network in networks]
    inside = [signature for member in members for signature in member]
    prior, places = prior_of(known, [*(row.signature for row in own), *signatures, *inside])
    graph_us = min((row.median_us for row in table.rows if row.signature.kind == GRAPH_KIND), default=0.0)
    timed = [
        NetworkTime(kernels=member_indices(places, member), us=1e3 * network.latency_ms - graph_us)
        for network, member in zip(networks, members, strict=True)
    ]
    found = transfer_kernels(prior, np.arange(len(own)), np.array([row.median_us for row in own]), timed)
    kept = [row for row in table.rows if row.provenance != "transferred"]
    have = {row.signature for row in kept}
    others = {signature: place for signature, place in places.items() if signature not in have}
    rows = _rows(others, found, len(own), moment)
    left_out = float(100 * np.mean(np.abs(np.expm1(-found.left_out))))
    note = (
        f"{NOTE}{known.device} (table {known.table.hash}) by {len(own)} rows, which left out are predicted within "
        f"{left_out:.1f} % on average"
    )
    notes = (*(text for text in table.provenance.notes if not text.startswith(NOTE)), note)
    provenance = table.provenance.model_copy(update={"notes": notes, "updated_at": moment})
    return Outcome(
        source=known.device,
        table=replace(table, provenance=provenance, rows=(*kept, *rows)),
        transferred=len(rows),
        left_out_percent=left_out,
    )


def without_transferred(table: Table) -> Table:
    """Only what was measured."""
    notes = tuple(text for text in table.provenance.notes if not text.startswith(NOTE))
    rows = tuple(row for row in table.rows if row.provenance != "transferred")
    return replace(table, provenance=table.provenance.model_copy(update={"notes": notes}), rows=rows)


def member_indices(places: dict[KernelSignature, int], kernels: Sequence[KernelSignature]) -> Index:
    return np.array([places[signature] for signature in kernels], dtype=np.intp)


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
