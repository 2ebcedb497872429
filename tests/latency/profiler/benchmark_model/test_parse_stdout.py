"""Recorded outputs, and the same outputs as older builds and LiteRT's tool write them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from evit_nas.fakephone.benchmark import dialects
from evit_nas.latency.profiler.benchmark_model.output import OpProfile, Report, UnreadableOutput
from evit_nas.latency.profiler.benchmark_model.parse_csv import parse_csv
from evit_nas.latency.profiler.benchmark_model.parse_stdout import parse_stdout, parse_table

DATA = Path(__file__).parents[3] / "data" / "benchmark_model"
XNNPACK = [
    "Transpose (ND, X32) Transpose",
    "Convolution (NHWC, F32) IGEMM",
    "Sum (ND) Mean",
    "Fully Connected (NC, F32) GEMM",
]
BLOCK = """\
INFO: [benchmark_litert_model.h:76] \n========== BENCHMARK RESULTS ==========
INFO: [benchmark_litert_model.h:77] Model initialization: 32.50 ms
INFO: [benchmark_litert_model.h:78] Warmup (first):       0.95 ms
INFO: [benchmark_litert_model.h:80] Warmup (avg):         0.93 ms (2 runs)
INFO: [benchmark_litert_model.h:82] Inference (avg):      0.83 ms (50 runs)
INFO: [benchmark_litert_model.h:86] Inference (min):      0.81 ms
INFO: [benchmark_litert_model.h:88] Inference (max):      0.97 ms
INFO: [benchmark_litert_model.h:90] Inference (std):      0.02
"""

STDOUT: Mapping[str, Callable[[str], str]] = {
    "2022": dialects.without_percentiles,
    "up to 2.8": dialects.up_to_2_8,
    "up to 2.2": dialects.up_to_2_2,
    "litert": lambda text: "".join(dialects.litert(text)),
}


def text(name: str) -> str:
    return (DATA / name).read_text()


def times(profile: OpProfile | None) -> list[tuple[str, int, int, float]]:
    assert profile is not None
    return [(row.op, row.index, row.calls, round(row.avg_us, 1)) for row in profile.rows]


def test_latency_of_a_plain_run() -> None:
    report = parse_stdout(text("plain.out"))
    assert (report.tool, report.latency.count, report.latency.avg_us, report.init_us) == ("classic", 5, 186246, 54534)
    assert report.profile is None


def test_profile_of_delegated_operators() -> None:
    report = parse_stdout(text("prof.out"))
    assert times(report.profile) == list(zip(XNNPACK, range(4), [1] * 4, [1005, 181671, 4472, 15], strict=True))
    assert report.profile is not None
    assert report.profile.runs == 5


def test_profile_of_builtin_operators() -> None:
    profile = parse_stdout(text("g_ref.out")).profile
    assert profile is not None
    assert [(row.kind, row.op) for row in profile.rows] == [
        ("builtin", kind) for kind in ("TRANSPOSE", "CONV_2D", "SUM", "FULLY_CONNECTED")
    ]


def test_flags_that_the_tool_does_not_know_are_refused() -> None:
    with pytest.raises(UnreadableOutput, match="--result_file_path"):
        parse_stdout(text("g_unk.out"))


def said(report: Report) -> tuple[object, ...]:
    """What every build says, in whatever form."""
    latency, rows = report.latency, report.profile.rows if report.profile else ()
    figures = (latency.count, latency.avg_us, latency.min_us, latency.max_us, latency.std_us)
    return (*figures, sorted((row.kind, row.op, row.index, row.calls, round(row.avg_us, 3)) for row in rows))


@pytest.mark.parametrize("rewrite", STDOUT.values(), ids=list(STDOUT))
@pytest.mark.parametrize("name", ["plain.out", "prof.out", "g_ref.out"])
def test_older_builds_and_the_tool_of_litert_read_alike(name: str, rewrite: Callable[[str], str]) -> None:
    rewritten = rewrite(text(name))
    assert rewritten != text(name)
    assert said(parse_stdout(rewritten)) == said(parse_stdout(text(name)))


@pytest.mark.parametrize("name", ["p_xnn.csv", "p_ref.csv", "seg.csv"])
def test_csv_files_of_older_builds_read_alike(name: str) -> None:
    older = dialects.csv_up_to_2_8(text(name))
    assert "node type, start, first" in older
    assert parse_csv(older) == parse_csv(text(name))


def test_lines_that_end_as_a_terminal_ends_them_read_alike() -> None:
    assert said(parse_stdout(text("prof.out").replace("\n", "\r\n"))) == said(parse_stdout(text("prof.out")))


@pytest.mark.parametrize(
    "figures",
    ["count=7 curr=100(all same)", "count=7 curr=100(all same) p5=100 median=100 p95=100", "count=1 curr=100"],
)
def test_runs_that_took_the_same_time(figures: str) -> None:
    output = (
        f"Running benchmark for at least 1 iterations and at least 0 seconds.\n{figures}\n\n"
        "Inference timings in us: Init: 9, First inference: 120, Warmup (avg): 120, Inference (avg): 100\n"
    )
    latency = parse_stdout(output).latency
    assert (latency.avg_us, latency.min_us, latency.max_us, latency.std_us) == (100, 100, 100, 0)


def test_a_mean_in_powers_of_ten() -> None:
    statistics = "count=3 first=1295624 curr=1295640 min=1295624 max=1295640 avg=1.29563e+06 std=6"
    output = (
        f"INFO: Running benchmark for at least 3 iterations and at least 0 seconds.\nINFO: {statistics}\n"
        "INFO: Inference timings in us: Init: 9, First inference: 5, Warmup (avg): 5, Inference (avg): 1.29563e+06\n"
    )
    assert parse_stdout(output).latency.avg_us == 1_295_630


def recorded_table() -> str:
    """LiteRT's summary as its C API gave it."""
    recorded = text("litert_capi_x86.txt")
    return recorded[recorded.index("=====") : recorded.index("('Transpose")]


def test_litert_tool_in_columns_of_blanks() -> None:
    report = parse_stdout(BLOCK + recorded_table())
    assert (report.tool, report.latency.avg_us, report.latency.count) == ("litert", 830.0, 50)
    assert [row[1:] for row in times(report.profile)] == [(0, 1, 46), (1, 1, 516), (2, 1, 110), (3, 1, 0)]
    assert times(report.profile)[1][0] == "Convolution (NHWC, F32) IGEMM"
    assert report.profile is not None
    assert report.profile.runs == 1  # of the last run alone, whatever the number of runs


def test_litert_tool_with_many_operators_of_a_type() -> None:
    profile = parse_csv(text("seg.csv"))
    rows = [
        dialects._Row(row.op, 0.0, round(row.run_us), row.calls, f"Delegate/{row.op}:{row.index}")
        for row in profile.rows
        if row.kind == "delegate"
    ]
    found = parse_table(dialects._litert_profile(rows).split("\n"), litert=True)
    assert len(found.rows) == len(rows) > 100
    assert sum(row.run_us for row in found.rows) == pytest.approx(sum(row.run_us for row in rows), rel=1e-4)


def test_litert_tool_whose_block_and_runs_contradict_each_other() -> None:
    output = "".join(dialects.litert(text("prof.out")))
    with pytest.raises(UnreadableOutput, match="contradict"):
        parse_stdout(output.replace("Inference (avg):      187.34 ms", "Inference (avg):      187.44 ms"))


def test_rows_of_several_partitions_are_known_as_merged() -> None:
    profile = parse_csv(text("seg.csv"))
    assert len(profile.rows) == 283
    assert sum(row.calls > 1 for row in profile.rows) == 56
    assert set(profile.merged) >= {row for row in profile.rows if row.calls > 1}
    assert sum(row.run_us for row in profile.rows) == pytest.approx(963_202, abs=2)


def test_an_empty_table_is_refused() -> None:
    with pytest.raises(UnreadableOutput, match="without rows"):
        parse_table([])
