"""A made-up device whose kernel times are known exactly, and a table of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from evit_nas.graph.emit import emit
from evit_nas.graph.fuse import fuse
from evit_nas.graph.kernel import KernelGraph, KernelSignature
from evit_nas.graph.lowering import OURS
from evit_nas.latency.measurement import Conditions, Measurement, NetworkMeasurement
from evit_nas.latency.predictor.features import facts
from evit_nas.latency.table.schema import TableProvenance
from evit_nas.latency.table.store import Table
from evit_nas.space.arch import Resolution, named_arch

WHEN = "2025-01-01T00:00:00+00:00"


def made_up_us(signature: KernelSignature) -> float:
    """Compute, memory traffic and a fixed cost."""
    fact = facts(signature)
    return 1.0 + fact.macs / 30e3 + sum(fact.tensor_bytes) / 20e3 + fact.elements / 5e3


def graph_of(name: str, resolution: Resolution) -> KernelGraph:
    return fuse(emit(named_arch(name), resolution, OURS))


def table_of(signatures: Sequence[KernelSignature]) -> Table:
    rows = tuple(
        Measurement(
            signature=signature,
            timings=50,
            median_us=us,
            low_us=us * 0.99,
            high_us=us * 1.01,
            repeats=1,
            canary=1.0,
            measured_at=WHEN,
        )
        for signature in dict.fromkeys(signatures)
        for us in (made_up_us(signature),)
    )
    return Table(provenance=TableProvenance(conditions=Conditions(device="host-000000000000")), rows=rows)


@pytest.fixture(scope="session")
def true_us() -> Callable[[KernelSignature], float]:
    return made_up_us


@pytest.fixture(scope="session")
def b0_graph() -> KernelGraph:
    return graph_of("b0", (128, 256))


@pytest.fixture(scope="session")
def b1_graph() -> KernelGraph:
    return graph_of("b1", (128, 256))


@pytest.fixture(scope="session")
def table(b0_graph: KernelGraph) -> Table:
    """Rows of B0 at three resolutions."""
    graphs = (b0_graph, graph_of("b0", (256, 512)), graph_of("b0", (64, 128)))
    return table_of([kernel.signature for graph in graphs for kernel in graph.kernels])


@pytest.fixture(scope="session")
def networks() -> tuple[NetworkMeasurement, ...]:
    """Twelve networks that take a fifth longer than their kernels, and 30 microseconds more."""
    return tuple(_network(name, (side, 2 * side)) for name in ("b0", "b1", "b2") for side in (64, 96, 128, 192))


def _network(name: str, resolution: Resolution) -> NetworkMeasurement:
    us = 30 + 1.2 * sum(made_up_us(kernel.signature) for kernel in graph_of(name, resolution).kernels)
    return NetworkMeasurement(
        arch=named_arch(name),
        resolution=resolution,
        latency_ms=us / 1e3,
        low_ms=us / 1e3 * 0.99,
        high_ms=us / 1e3 * 1.01,
        runs=20,
        canary=1.0,
        measured_at=WHEN,
    )
