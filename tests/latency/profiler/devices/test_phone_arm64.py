"""The profiler with the public arm64 build of benchmark_model, which really runs, under qemu-user."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import platformdirs
import pytest

from evit_nas.errors import DeviceError, InputError
from evit_nas.fakephone.arm64.toolchain import toolchain
from evit_nas.fakephone.testing import RunningPhone, fake_phone
from evit_nas.graph.blocks import MBConv
from evit_nas.graph.emit import emit, emit_block
from evit_nas.graph.kernel import GRAPH_KIND
from evit_nas.latency.profiler import protocol
from evit_nas.latency.profiler.benchmark_model.flags import Call, Mode
from evit_nas.latency.profiler.benchmark_model.locate import fetched_tool
from evit_nas.latency.profiler.devices.adb import Adb, run_adb
from evit_nas.latency.profiler.devices.phone_events import network_events
from evit_nas.latency.profiler.devices.phone_run import Pinned, Run, profile_path, run_tool
from evit_nas.latency.profiler.devices.phone_tool import FOLDER, install, push_checked
from evit_nas.latency.profiler.phone import profile_phone
from evit_nas.latency.table.store import load_table
from evit_nas.space.space import SearchSpace, load_space
from evit_nas.tflite.match import match_events
from evit_nas.tflite.weights import fill_random
from evit_nas.tflite.writer import write

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_adb_server")]

CACHE = platformdirs.user_cache_dir()
SPACE = """\
schema: evit-nas/space-1
name: one-tiny-network
task: seg
classes: 7
resolution: [64x64]
head_dim: 16
upsample: [bicubic]
stem: {width: [8], activation: [hswish]}
stages:
- {width: [8], depth: [1], expand: [2], kernel: [3], activation: [hswish]}
- {width: [16], depth: [1], expand: [2], kernel: [5], activation: [relu]}
- {width: [32], depth: [1], expand: [2], kernel: [3], activation: [hswish],
   msa: [true], scales: [[5]], heads_ratio: [1.0]}
- {width: [32], depth: [1], expand: [2], kernel: [3], activation: [relu6],
   msa: [false], scales: [[]], heads_ratio: [1.0]}
head: {width: [16], depth: [1], stride: [8], inputs: [[4, 3, 2]], block: [mbconv], expand: [4], kernel: [3],
       final_expand: [null], activation: [hswish]}
"""


@pytest.fixture(scope="module")
def phone(own_adb_server: None) -> Iterator[RunningPhone]:
    """With what it needs; else the tests are skipped, saying why."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", CACHE)
        try:
            tools = toolchain()
            fetched_tool()
        except (InputError, DeviceError) as error:
            pytest.skip(str(error))
        with fake_phone(arm64=tools) as running:
            run_adb(["connect", running.address])
            yield running


@pytest.fixture
def space(tmp_path: Path) -> SearchSpace:
    (tmp_path / "space.yaml").write_text(SPACE)
    return load_space(tmp_path / "space.yaml")


def test_the_three_formats_say_the_same_kernels(phone: RunningPhone, space: SearchSpace, tmp_path: Path) -> None:
    adb, member = Adb(phone.address), space.smallest()
    tool = install(adb, None, lambda text: None)
    graph = emit(member.arch, member.resolution)
    model = write(fill_random(graph, seed=0))
    (tmp_path / "model.tflite").write_bytes(model)
    sha256, target = hashlib.sha256(model).hexdigest(), FOLDER / "model.tflite"
    push_checked(adb, tmp_path / "model.tflite", sha256, target)

    def run(mode: Mode) -> Run:
        to = profile_path(mode)
        call = Call(model=str(target), threads=1, seconds=0.1, min_runs=2, profile=True, profile_to=to, mode=mode)
        return run_tool(adb, tool, Pinned(core=7, mask=0x80, threads=1), call, sha256)

    found = []
    for mode in ("proto", "csv", "stdout"):
        profile = run(mode).profile
        assert profile is not None
        matched = match_events(graph, network_events(profile, graph))
        found.append([(kernel.signature, event.name) for kernel, event in matched])
    assert found[0] == found[1] == found[2]
    assert len(found[0]) > 20


def test_a_table_of_what_it_says(
    phone: RunningPhone, space: SearchSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside a smaller reference network than the usual one, which takes most of a second under qemu."""
    small = write(fill_random(emit_block(MBConv(8, 16, 16, 16, 4, 3, 1, "hswish", False, True)), seed=0))
    monkeypatch.setattr(protocol, "canary_model", lambda: small)
    monkeypatch.setattr(protocol, "CANARY_LIMIT", 0.5)  # other tests may run beside this one
    done = profile_phone(phone.address, space, tables_dir=tmp_path, allow_simulated=True, quick=True)
    table = load_table(done.result.table)
    assert len([row for row in table.rows if row.signature.kind != GRAPH_KIND]) > 20
    assert {row.provenance for row in table.rows} == {"simulated"}
    assert any("an emulator: its times" in text for text in table.provenance.notes)
