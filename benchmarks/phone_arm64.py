"""Does the profiler get on with the real benchmark_model for Android?

    python benchmarks/phone_arm64.py [--networks 12] [--limit-s 1800] [--tables DIR]

The official arm64 build that `profile` fetches by default is pushed by the real adb client to a fake phone that really
runs it (`fake-phone --exec arm64`: qemu-user). One network's operator profile is read in each of the three formats, and
networks of the shipped spaces are run once each: how many are read kernel by kernel, and of how many the tool ran what
LiteRT 2 runs. Then `evit-nas profile --quick` makes a table of a space of tiny networks. The times are qemu's and mean
nothing; flags, formats, exit codes and the order of kernels are the real tool's. The reference network alone takes most
of a second there, so the table is given --limit-s and keeps what it has by then. Needs the package index and Debian's
qemu-user-static, gcc-aarch64-linux-gnu and libc6-dev-arm64-cross.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from fake_phones import own_adb, profile_command

from evit_nas.errors import InputError
from evit_nas.graph.emit import emit
from evit_nas.graph.fuse import trace
from evit_nas.graph.kernel import GRAPH_KIND
from evit_nas.graph.opgraph import OpGraph
from evit_nas.latency.profiler.benchmark_model.flags import Call, Mode
from evit_nas.latency.profiler.benchmark_model.output import OpProfile, UnreadableOutput
from evit_nas.latency.profiler.devices.adb import Adb, run_adb
from evit_nas.latency.profiler.devices.phone_events import network_events
from evit_nas.latency.profiler.devices.phone_run import Pinned, profile_path, run_tool
from evit_nas.latency.profiler.devices.phone_tool import FOLDER, InstalledTool, install, push_checked
from evit_nas.latency.profiler.plan import stratified_members
from evit_nas.latency.table.store import load_table
from evit_nas.space.dimension import Candidate
from evit_nas.space.space import load_space
from evit_nas.tflite.match import match_events
from evit_nas.tflite.weights import fill_random
from evit_nas.tflite.writer import write

MODES: tuple[Mode, ...] = ("proto", "csv", "stdout")
SPACES = {"efficientvit-seg-small": (1e6, 6e7), "efficientvit-seg": (5e7, 3e8)}  # and the MACs of what is taken of each
SPACE = """\
schema: evit-nas/space-1
name: arm64-trials
task: seg
classes: 7
resolution: [64x64]
head_dim: 16
upsample: [bilinear, bicubic]
stem: {width: [8], activation: [hswish, relu6]}
stages:
- {width: [8], depth: [1], expand: [2], kernel: [3], activation: [hswish]}
- {width: [16], depth: [1], expand: [2], kernel: [3, 5], activation: [relu]}
- {width: [32], depth: [1], expand: [2], kernel: [3], activation: [hswish],
   msa: [false, true], scales: [[5]], heads_ratio: [1.0]}
- {width: [32], depth: [1], expand: [2], kernel: [3], activation: [hswish],
   msa: [false, true], scales: [[3, 5]], heads_ratio: [1.0]}
head: {width: [16], depth: [1], stride: [8], inputs: [[4, 3, 2]], block: [mbconv], expand: [4], kernel: [3],
       final_expand: [null], activation: [hswish]}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=12, help="of each of two spaces", metavar="N")
    parser.add_argument("--limit-s", type=float, default=1800, help="for the table", metavar="S")
    parser.add_argument("--tables", type=Path, help="folder to keep the table in", metavar="DIR")
    options = parser.parse_args()
    os.environ.setdefault("XDG_CACHE_HOME", str(Path(platformdirs.user_cache_dir())))  # of a home that is about to go
    with own_adb() as folder, tempfile.TemporaryDirectory() as other, arm64_phone() as address:
        space = folder / "space.yaml"
        space.write_text(SPACE, encoding="utf-8")
        notes: list[str] = []
        tool = install(Adb(address), None, notes.append)
        largest = load_space(space).largest()
        formats = {mode: read_format(address, tool, largest, mode) for mode in MODES}
        read = {name: networks_read(address, tool, name, options.networks) for name in SPACES}
        table = profiled(address, space, options.tables or Path(other), options.limit_s)
        found = {"formats": formats, "networks": read, "tool_sha256": tool.sha256, "versions": versions()}
        print(json.dumps({**table, **found}))


@contextmanager
def arm64_phone() -> Iterator[str]:
    """The address of a phone that runs arm64 programs, connected."""
    command = [sys.executable, "-m", "evit_nas", "fake-phone", "--exec", "arm64"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline().split()
        if not line:
            sys.exit("the fake phone did not start; see its message above")
        run_adb(["connect", line[-1]])
        yield line[-1]
    finally:
        process.terminate()
        process.wait()


def read_format(address: str, tool: InstalledTool, member: Candidate, mode: Mode) -> dict[str, object]:
    """Kernels of one network as the tool tells them in this format."""
    graph = emit(member.arch, member.resolution)
    try:
        profile = tool_profile(address, tool, graph, mode)
    except UnreadableOutput as error:
        return {"refused": str(error)}
    kernels = match_events(graph, network_events(profile, graph))
    return {"rows": len(profile.rows), "runs": profile.runs, "kernels": len(kernels)}


def networks_read(address: str, tool: InstalledTool, space: str, count: int) -> dict[str, int]:
    """Of `count` networks: those read, and those of which the tool ran as many kernels as LiteRT 2."""
    read = alike = 0
    for member in stratified_members(load_space(space), seed=0, count=count, macs=SPACES[space]):
        graph = emit(member.arch, member.resolution)
        profile = tool_profile(address, tool, graph, "proto")
        alike += len(profile.rows) == len(trace(graph))
        try:
            read += bool(match_events(graph, network_events(profile, graph)))
        except InputError:
            continue
    return {"networks": count, "read": read, "as_litert_2": alike}


def tool_profile(address: str, tool: InstalledTool, graph: OpGraph, mode: Mode) -> OpProfile:
    """Push a network and run it a few times. Raises UnreadableOutput."""
    model = write(fill_random(graph, seed=0))
    sha256, target = hashlib.sha256(model).hexdigest(), FOLDER / "trial.tflite"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "model.tflite"
        source.write_bytes(model)
        push_checked(Adb(address), source, sha256, target)
    to = profile_path(mode)
    call = Call(model=str(target), threads=1, seconds=0.1, min_runs=2, profile=True, profile_to=to, mode=mode)
    profile = run_tool(Adb(address), tool, Pinned(core=7, mask=0x80, threads=1), call, sha256).profile
    assert profile is not None
    return profile


def profiled(address: str, space: Path, tables: Path, limit_s: float) -> dict[str, object]:
    """What `evit-nas profile` makes of it; killed after `limit_s`, for finished rows are kept."""
    command = profile_command(address, tables, "--quick", "--space", str(space))
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit_s)
        if done.returncode:
            sys.exit(f"profile ended with exit code {done.returncode}: {done.stderr.strip().splitlines()[-1]}")
    except subprocess.TimeoutExpired:
        pass
    (path,) = (tables / "sm8450").glob("*-fp32.csv")
    table = load_table(path)
    kernels = [row for row in table.rows if row.signature.kind != GRAPH_KIND]
    return {
        "kernels": len(kernels),
        "kinds": len({row.signature.kind for row in kernels}),
        "provenance": sorted({row.provenance for row in table.rows}),
        "notes": list(table.provenance.notes),
    }


def versions() -> dict[str, str]:
    """First lines of what the programs say of themselves."""
    asked = (["qemu-aarch64-static", "--version"], ["aarch64-linux-gnu-gcc", "--version"], ["adb", "--version"])
    said = {words[0]: subprocess.run(words, capture_output=True, text=True, check=False).stdout for words in asked}
    return {name: text.splitlines()[0] for name, text in said.items()}


if __name__ == "__main__":
    main()
