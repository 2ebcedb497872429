"""The same answers as other builds write them: older ones of TensorFlow Lite, and LiteRT's tool of the same name.

Each is the newest format rewritten, so that what is said stays the same and only the form differs. Sources:
tsl/util/stats_calculator.cc and tensorflow/lite/tools/benchmark over the years; litert/tools/benchmark_litert_model.h
and litert/runtime/profiler_summarizer.cc.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from evit_nas.fakephone.benchmark.tool import benchmark_model
from evit_nas.fakephone.interpreter import Shell
from evit_nas.fakephone.program import Pipes, Program, appender

_REGULAR = "Operator-wise Profiling Info for Regular Benchmark Runs:"
_TIMINGS = re.compile(
    r"^Inference timings in us: Init: (?P<init>\S+), First inference: (?P<first>\S+), "
    r"Warmup \(avg\): (?P<warmup>\S+), Inference \(avg\): (?P<mean>\S+)$",
    re.MULTILINE,
)
_ROW_CELLS = 9  # an empty one before the first TAB, type, first, avg, %, cdf%, mem, times called, name


def without_percentiles(text: str) -> str:
    """As builds of 2022 wrote it, before `p5`, `median` and `p95` came."""
    return re.sub(r" p5=\d+ median=\d+ p95=\d+$", "", text, flags=re.MULTILINE)


def up_to_2_8(text: str) -> str:
    """As builds up to TensorFlow 2.8 wrote it: no `INFO: ` either, and a column `[start]`."""
    bare = re.sub(r"^(INFO|WARN): ", "", without_percentiles(text), flags=re.MULTILINE)
    return "\n".join(map(_with_start, bare.split("\n")))


def up_to_2_2(text: str) -> str:
    """As builds up to TensorFlow 2.2 wrote it: another line of timings too."""
    return _TIMINGS.sub(
        lambda m: f"Average inference timings in us: Warmup: {m['warmup']}, Init: {m['init']}, Inference: {m['mean']}",
        up_to_2_8(text),
    )


def csv_up_to_2_8(text: str) -> str:
    """A csv file with a column `start`."""
    lines, rows = [], False
    for line in text.split("\n"):
        if line.startswith("="):
            rows = "Summary by node type" not in line
        elif rows and line.startswith("node type, first, "):
            line = line.replace("node type, ", "node type, start, ", 1)
        elif rows and line.count(", ") >= 7:
            head, *cells = line.rsplit(", ", 7)
            line = ", ".join([head, "0", *cells])
        lines.append(line)
    return "\n".join(lines)


def litert(text: str) -> tuple[str, str]:
    """Standard output and standard error of LiteRT's tool. The profile is of one run, the last one."""
    out, _, rest = text.partition("INFO: Inference timings in us: ")
    timings = _TIMINGS.search(f"Inference timings in us: {rest}")
    assert timings is not None
    runs = re.findall(r"^INFO: count=(\d+) (.*)$", out, re.MULTILINE)
    warmups, (count, statistics) = runs[0][0] if len(runs) > 1 else "0", runs[-1]
    named: dict[str, str] = dict(re.findall(r"(\w+)=(\d+)", statistics))
    ms = {name: float(timings[name]) / 1e3 for name in ("init", "first", "warmup", "mean")}
    same = named["curr"]  # alone where all runs took the same time
    low, high, deviation = int(named.get("min", same)), int(named.get("max", same)), int(named.get("std", "0"))
    block = (
        "\n========== BENCHMARK RESULTS ==========",
        f"Model initialization: {ms['init']:.2f} ms",
        f"Warmup (first):       {ms['first']:.2f} ms",
        f"Warmup (avg):         {ms['warmup']:.2f} ms ({warmups} runs)",
        f"Inference (avg):      {ms['mean']:.2f} ms ({count} runs)",
        f"Inference (min):      {low / 1e3:.2f} ms",
        f"Inference (max):      {high / 1e3:.2f} ms",
        f"Inference (std):      {deviation / 1e3:.2f}",
        "No throughput data available (throughput <= 0).",
        "======================================\n",
    )
    rows = _rows(rest)
    messages = (*block, f"\n{_litert_profile(rows)}") if rows else block
    return out, "".join(f"INFO: [benchmark_litert_model.h:76] {message}\n" for message in messages)


@dataclass(frozen=True, slots=True)
class _Row:
    node_type: str
    first_ms: float
    run_us: int
    calls: int
    name: str

    @property
    def delegated(self) -> bool:
        return self.name.startswith("Delegate/")


def _rows(text: str) -> list[_Row]:
    """The rows of the timed runs, in the order of the table."""
    table = text.partition(_REGULAR)[2].partition("Top by Computation Time")[0]
    cells = [[cell.strip() for cell in line.split("\t")] for line in table.split("\n")]
    return [
        _Row(row[1], float(row[2]), round(1e3 * float(row[3])) * int(row[7]), int(row[7]), row[8])
        for row in cells
        if len(row) == _ROW_CELLS and row[1] != "[node type]"
    ]


_LINE = "{:>60} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>14}   {}"
_TYPE_LINE = "{:>60} {:>10} {:>10} {:>10} {:>10} {:>10} {:>14}"
_HEADER = ("[node type]", "[start]", "[first]", "[avg ms]", "[%]", "[cdf%]", "[mem KB]", "[times called]", "[Name]")
_TYPE_HEADER = ("[Node type]", "[count]", "[avg ms]", "[avg %]", "[cdf %]", "[mem KB]", "[times called]")


def _litert_profile(rows: Sequence[_Row]) -> str:
    by_time = sorted(rows, key=lambda row: -row.run_us)
    total_us = sum(row.run_us for row in rows)
    return "\n".join(
        (
            f"{' Run Order ':=^150}",
            *_lines(rows, total_us),
            f"\n{' Top by Computation Time ':=^150}",
            *_lines(by_time, total_us),
            f"\nNumber of nodes executed: {len(rows)}",
            f"\n{' Summary by node type ':=^130}",
            *_type_lines(rows, total_us),
            f"\n{' Delegate Statistics ':=^135}",
            f"{'Op Name':<80} {'Count':>10} {'Avg(us)':>10} {'Min(us)':>10} {'Max(us)':>10} {'Total(us)':>10}",
            f"\nTimings (microseconds): count={len(rows)} curr={total_us}",
            "Memory (bytes): count=0",
            f"{len(rows)} nodes observed\n",
        )
    )


def _lines(rows: Sequence[_Row], total_us: int) -> list[str]:
    lines, so_far_us = [_LINE.format(*_HEADER)], 0
    for row in rows:
        so_far_us += row.run_us
        place = row.name.rpartition(":")[2]
        cells = (
            _litert_type(row),
            "0.000",
            f"{row.first_ms:.3f}",
            f"{row.run_us / row.calls / 1e3:.3f}",
            *_shares(row.run_us, so_far_us, total_us),
            "0.000",
            str(row.calls),
            f"[{'Delegate' if row.delegated else 'Builtin'}]:{place}",
        )
        lines.append(_LINE.format(*cells))
    return lines


def _type_lines(rows: Sequence[_Row], total_us: int) -> list[str]:
    groups: dict[str, list[_Row]] = {}
    for row in rows:
        groups.setdefault(_litert_type(row), []).append(row)
    lines, so_far_us = [_TYPE_LINE.format(*_TYPE_HEADER)], 0
    for name, own in sorted(groups.items(), key=lambda item: -sum(row.run_us for row in item[1])):
        own_us, calls = sum(row.run_us for row in own), sum(row.calls for row in own)
        so_far_us += own_us
        shares = _shares(own_us, so_far_us, total_us)
        lines.append(_TYPE_LINE.format(name, len(own), f"{own_us / calls / 1e3:.3f}", *shares, "0.000", calls))
    return lines


def _shares(time_us: int, so_far_us: int, total_us: int) -> tuple[str, str]:
    whole = max(total_us, 1) / 100
    return f"{time_us / whole:.3f}%", f"{so_far_us / whole:.3f}%"


def _litert_type(row: _Row) -> str:
    return f"Delegate/{row.node_type}" if row.delegated else row.node_type


def _with_start(line: str) -> str:
    cells = line.split("\t")
    if len(cells) == _ROW_CELLS:
        cells.insert(2, "  [start]" if "[node type]" in line else "    0.000")
    return "\t".join(cells)


# --- programs that speak a dialect

_OUTPUT_MODE = ("op_profiling_output_mode", "op_profiling_output_file")
_CLASSIC = (*_OUTPUT_MODE, "enable_op_profiling", "profiling_output_csv_file", "max_profiling_buffer_entries",
            "allow_dynamic_profiling_buffer_increase", "use_xnnpack")  # fmt: skip
Rewrite = Callable[[Shell, list[str], str, str], tuple[str, str]]


def _older(shell: Shell, arguments: list[str], out: str, err: str) -> tuple[str, str]:
    for word in arguments:
        if word.startswith("--profiling_output_csv_file="):
            path = shell.path(word.partition("=")[2])
            content = csv_up_to_2_8(shell.phone.files.read(path).decode())
            shell.phone.files.write(path, content.encode())
    return up_to_2_2(out), err


def _litert(shell: Shell, arguments: list[str], out: str, err: str) -> tuple[str, str]:
    said, results = litert(out)
    return said, err + results


def _program(missing: Sequence[str], renamed: Mapping[str, str], rewrite: Rewrite) -> Program:
    """The tool without the flags `missing`, with others `renamed`, and its answers rewritten."""

    def run(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
        out, err = bytearray(), bytearray()
        words = [_word(word, missing, renamed) for word in arguments]
        code = benchmark_model(shell, words, Pipes(pipes.read, appender(out), appender(err)))
        texts = out.decode(), _help(err.decode(), missing, renamed)
        for write, text in zip((pipes.out, pipes.err), texts if code else rewrite(shell, words, *texts), strict=True):
            write(text.encode())
        return code

    return run


def _word(word: str, missing: Sequence[str], renamed: Mapping[str, str]) -> str:
    name, equals, value = word.removeprefix("--").partition("=")
    if name in renamed:
        return f"--{renamed[name]}{equals}{value}"
    return f"--unknown_{name}{equals}{value}" if name in missing else word


def _help(text: str, missing: Sequence[str], renamed: Mapping[str, str]) -> str:
    """The lines of a `--help` text that this tool has."""
    kept = [line for line in text.split("\n") if not any(line.startswith(f"\t--{name}=") for name in missing)]
    own = [f"\t--{name}=false\tbool\toptional\tWhether to use it." for name in renamed]
    return "\n".join([*kept[:-2], *own, *kept[-2:]] if "Flags:" in text else kept)


OLDER: Mapping[str, Program] = {"benchmark_model": _program(_OUTPUT_MODE, {}, _older)}
LITERT: Mapping[str, Program] = {
    "benchmark_model": _program(_CLASSIC, {"use_profiler": "enable_op_profiling"}, _litert)
}
