"""Rows from models that are no members of a space: single blocks and single operators, each run by itself.

For what members seldom or never hold: the largest shapes of a space, for whose whole networks there is no time, and the
operators of other families of networks. A large kernel does not care what ran before it; small ones are better timed
inside members, which are therefore measured first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from evit_nas.graph.blocks import Block
from evit_nas.graph.cost import block_macs
from evit_nas.graph.emit import emit_block
from evit_nas.graph.fuse import fuse
from evit_nas.graph.kernel import KernelSignature
from evit_nas.graph.kernel_model import kernel_model
from evit_nas.graph.opgraph import OpGraph
from evit_nas.latency.profiler.devices.base import Device
from evit_nas.latency.profiler.plan import SLOW_MACS
from evit_nas.latency.profiler.protocol import Canary, calm_round
from evit_nas.latency.profiler.samples import now, rows_of
from evit_nas.latency.table.store import TableWriter, load_table
from evit_nas.tflite.weights import fill_random
from evit_nas.tflite.writer import write

SECONDS = 0.03
MIN_RUNS, MIN_SLOW_RUNS = 5, 2
ATTEMPTS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Alone:
    """A model to run by itself, built when its turn comes, and the kernels that rows are wanted of."""

    signatures: frozenset[KernelSignature]
    graph: Callable[[], OpGraph]
    min_runs: int


def operators_alone(signatures: Iterable[KernelSignature]) -> Iterator[Alone]:
    """Each kernel in a model of its own."""
    for signature in signatures:
        yield Alone(signatures=frozenset([signature]), graph=partial(kernel_model, signature), min_runs=MIN_RUNS)


def blocks_alone(blocks: Iterable[Block]) -> Iterator[Alone]:
    """Each block with all its kernels."""
    for block in blocks:
        yield Alone(
            signatures=frozenset(kernel.signature for kernel in fuse(emit_block(block)).kernels),
            graph=partial(emit_block, block),
            min_runs=MIN_RUNS if block_macs(block) < SLOW_MACS else MIN_SLOW_RUNS,
        )


def measure_alone(device: Device, table: Path, models: Iterable[Alone]) -> int:
    """Add a row for each wanted kernel that `table` lacks; the number added. The caller holds the machine's lock.

    A model whose round stayed disturbed is left for the next run.
    """
    provenance = load_table(table).provenance
    canary = Canary(device)
    canary.settle()
    if provenance.canary_us is not None:
        canary.move_reference(provenance.canary_us)
    added = 0
    with TableWriter(table.parent.parent, provenance) as writer:
        for model in models:
            if any(signature not in writer for signature in model.signatures):
                added += _measure(device, canary, writer, model)
        if added:
            writer.close(updated_at=now())
    return added


def _measure(device: Device, canary: Canary, writer: TableWriter, model: Alone) -> int:
    graph = model.graph()
    data = write(fill_random(graph, seed=0))
    timed = calm_round(
        canary, lambda: device.profile(data, seconds=SECONDS, min_runs=model.min_runs), attempts=ATTEMPTS
    )
    if timed.problem:
        return 0
    rows = rows_of(graph, timed.value, canary=timed.canary, provenance=device.facts.provenance)
    new = [
        row for row in rows if row.signature in model.signatures and row.signature not in writer and row.median_us > 0
    ]
    for row in new:
        writer.append(row)
    return len(new)
