"""Blocks and operators by themselves: rows for what the table lacks, and for nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evit_nas.graph.blocks import MBConv
from evit_nas.graph.emit import emit_block
from evit_nas.graph.fuse import fuse
from evit_nas.latency.measurement import Conditions
from evit_nas.latency.profiler import protocol
from evit_nas.latency.profiler.alone import blocks_alone, measure_alone, operators_alone
from evit_nas.latency.profiler.devices.base import DeviceFacts, Floats
from evit_nas.latency.profiler.operators import operator_signatures
from evit_nas.latency.table.schema import TableProvenance
from evit_nas.latency.table.store import TableWriter, load_table
from evit_nas.tflite.runtime import KernelEvent, Session

CONDITIONS = Conditions(device="host-00000000beef")
BLOCK = MBConv(16, 32, 8, 16, 4, 5, 2, "hswish", False, False)


class MadeUp:
    """Every kernel takes 10 us at the speed of the table; the machine now runs at half of it."""

    facts = DeviceFacts(conditions=CONDITIONS, runtime_version="2.3.0")
    problem = ""

    def time_us(self, model: bytes, *, seconds: float, min_runs: int) -> Floats:
        return np.full(min_runs, 4000.0)

    def profile(self, model: bytes, *, seconds: float, min_runs: int) -> tuple[KernelEvent, ...]:
        with Session(model, profile=True) as session:
            return tuple(replace(event, samples_us=np.full(3, 20.0)) for event in session.profile(1, warmup=0))

    def disturbance(self) -> str:
        return self.problem


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(protocol.time, "sleep", lambda seconds: None)
    with TableWriter(tmp_path, TableProvenance(conditions=CONDITIONS, canary_us=2000.0)) as writer:
        writer.close()
        return writer.path


def test_every_kernel_of_a_block_gets_a_row_at_the_speed_of_the_table(table: Path) -> None:
    kernels = {kernel.signature for kernel in fuse(emit_block(BLOCK)).kernels}
    assert measure_alone(MadeUp(), table, blocks_alone([BLOCK, BLOCK])) == len(kernels)
    rows = load_table(table).rows
    assert {row.signature for row in rows} == kernels
    assert rows[0].median_us == pytest.approx(10.25)  # cut off to whole microseconds: half a one more, at double time
    assert measure_alone(MadeUp(), table, blocks_alone([BLOCK])) == 0


def test_an_operator_gets_one_row(table: Path) -> None:
    signature = operator_signatures()[0]
    assert measure_alone(MadeUp(), table, operators_alone([signature])) == 1
    assert [row.signature for row in load_table(table).rows] == [signature]


def test_what_is_disturbed_is_left_for_the_next_run(table: Path) -> None:
    device = MadeUp()
    device.problem = "the core was taken away"
    assert measure_alone(device, table, blocks_alone([BLOCK])) == 0
    assert load_table(table).rows == ()
