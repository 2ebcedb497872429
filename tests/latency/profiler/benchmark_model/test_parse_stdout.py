"""Recorded outputs, the same outputs as older builds and LiteRT's tool write them, and damaged ones."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evit_nas.latency.profiler.benchmark_model.output import OpProfile, UnreadableOutput
from evit_nas.latency.profiler.benchmark_model.parse_csv import parse_csv
from evit_nas.latency.profiler.benchmark_model.parse_proto import parse_proto
from evit_nas.latency.profiler.benchmark_model.parse_stdout import parse_stdout, parse_table

DATA = Path(__file__).parents[3] / "data" / "benchmark_model"
XNNPACK = [
    "Transpose (ND, X32) Transpose",
    "Convolution (NHWC, F32) IGEMM",
    "Sum (ND) Mean",
    "Fully Connected (NC, F32) GEMM",
]
Facts = tuple[float | None, list[tuple[str, str, int, int, float]], bool]


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


def older(output: str) -> str:
    """As builds before 2021 wrote it: no prefix, `[start]`, no percentiles, totals in another order."""
    lines = []
    for line in re.sub(r"^INFO: ", "", output, flags=re.MULTILINE).split("\n"):
        line = re.sub(r" p5=\d+ median=\d+ p95=\d+", "", line)
        cells = line.split("\t")
        if len(cells) == 9:
            cells.insert(2, "  [start]" if "[node type]" in line else "    0.000")
        line = "\t".join(cells)
        found = re.match(
            r"Inference timings in us: Init: (\d+), .*Warmup \(avg\): (\d+), Inference \(avg\): (\d+)", line
        )
        if found:
            line = f"Average inference timings in us: Warmup: {found[2]}, Init: {found[1]}, Inference: {found[3]}"
        lines.append(line)
    return "\n".join(lines)


def test_an_older_build_reads_alike() -> None:
    new, old = parse_stdout(text("prof.out")), parse_stdout(older(text("prof.out")))
    assert old.latency.avg_us == new.latency.avg_us
    assert times(old.profile) == times(new.profile)


def litert(table: str) -> str:
    return (
        "INFO: [benchmark_litert_model.h:88] ========== BENCHMARK RESULTS ==========\n"
        "INFO: [benchmark_litert_model.h:90] Model initialization: 32.50 ms\n"
        "INFO: [benchmark_litert_model.h:92] Warmup (first):       0.95 ms\n"
        "INFO: [benchmark_litert_model.h:93] Warmup (avg):         0.93 ms (2 runs)\n"
        "INFO: [benchmark_litert_model.h:94] Inference (avg):      0.83 ms (50 runs)\n"
        "INFO: [benchmark_litert_model.h:95] Inference (min):      0.81 ms\n"
        "INFO: [benchmark_litert_model.h:96] Inference (max):      0.97 ms\n"
        "INFO: [benchmark_litert_model.h:97] Inference (std):      0.02 ms\n" + table
    )


def test_litert_tool_in_columns_of_blanks() -> None:
    recorded = text("litert_capi_x86.txt")
    table = recorded[recorded.index("=====") : recorded.index("('Transpose")]
    report = parse_stdout(litert(table))
    assert (report.tool, report.latency.avg_us, report.latency.count) == ("litert", 830.0, 50)
    assert [row[1:] for row in times(report.profile)] == [(0, 1, 46), (1, 1, 516), (2, 1, 110), (3, 1, 0)]
    assert times(report.profile)[1][0] == "Convolution (NHWC, F32) IGEMM"


def test_rows_of_several_partitions_are_known_as_merged() -> None:
    profile = parse_csv(text("seg.csv"))
    assert len(profile.rows) == 283
    assert sum(row.calls > 1 for row in profile.rows) == 56
    assert set(profile.merged) >= {row for row in profile.rows if row.calls > 1}
    assert sum(row.run_us for row in profile.rows) == pytest.approx(963_202, abs=2)


def test_an_empty_table_is_refused() -> None:
    with pytest.raises(UnreadableOutput, match="without rows"):
        parse_table([])


def facts(name: str, content: bytes) -> Facts:
    """Mean latency, rows, and whether some of them are known to be ambiguous."""
    latency, profile = None, None
    if name.endswith(".pb"):
        profile = parse_proto(content)
    elif name.endswith(".csv"):
        profile = parse_csv(content.decode("utf-8", errors="replace"))
    else:
        report = parse_stdout(content.decode("utf-8", errors="replace"))
        latency, profile = report.latency.avg_us, report.profile
    rows = profile.rows if profile else ()
    ambiguous = profile is not None and bool(profile.merged)
    return latency, sorted((row.kind, row.op, row.index, row.calls, row.avg_us) for row in rows), ambiguous


def mutated(content: bytes, seed: int) -> bytes:
    """One damage: a byte, a piece, a line or a digit changed, lost, moved or doubled, or the end cut off."""
    rng = random.Random(seed)
    at = rng.randrange(len(content))
    lines = content.split(b"\n")
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(8):
        case 0:
            return content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :]
        case 1:
            return content[:at] + content[at + rng.choice([1, 2, 10, 100, 1000]) :]
        case 2:
            return content[:at] + rng.randbytes(rng.choice([1, 2, 10])) + content[at:]
        case 3:
            return content[:at]
        case 4:
            return b"\n".join(lines[:i] + lines[i + 1 :])
        case 5:
            return b"\n".join([*lines[:j], lines[i], *lines[j:]])
        case 6:
            lines[i], lines[j] = lines[j], lines[i]
            return b"\n".join(lines)
    digits = [place for place, byte in enumerate(content) if 48 <= byte < 58]
    place = rng.choice(digits)
    return content[:place] + str((content[place] - 48 + rng.randrange(1, 10)) % 10).encode() + content[place + 1 :]


def read_right(name: str, content: bytes, damaged: bytes) -> bool:
    """Whether the damaged output is refused, or gives the figures of the sound one up to their rounding. Rows known as
    ambiguous are never attributed to a kernel."""
    latency, rows, _ = facts(name, content)
    try:
        found, found_rows, ambiguous = facts(name, damaged)
    except UnreadableOutput:
        return True
    if ambiguous:
        return True
    if latency is not None and (found is None or abs(latency - found) > 1 + 2e-5 * latency):
        return False
    same = [row[:4] for row in rows] == [row[:4] for row in found_rows]
    return same and all(abs(a[4] - b[4]) <= 1.5 + 1e-3 * a[4] for a, b in zip(rows, found_rows, strict=True))


@pytest.mark.parametrize("name", ["plain.out", "prof.out", "g_ref.out", "p_xnn.csv", "p_ref.csv", "p_xnn.pb"])
@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_a_damaged_output_is_read_right_or_refused(name: str, seed: int) -> None:
    content = (DATA / name).read_bytes()
    assert read_right(name, content, mutated(content, seed))
