"""Standard output of both tools: latency of the timed runs, and the operator profile where it is printed there.

Lines have the prefix `INFO: ` since 2022, LiteRT's `INFO: [file.cc:NN] `, older ones none. Columns are found by their
header: builds up to about TF 2.8, and LiteRT's, have `[start]` after the type. LiteRT's tool prints the runs as the
classic one does, on standard output, but its block of results and its profile on standard error: here its text is both.
That profile is of the last run alone (litert/tools/benchmark_litert_model.h starts it anew before each).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from evit_nas.latency.profiler.benchmark_model.output import (
    NUMBER,
    OpProfile,
    Report,
    Summary,
    UnreadableOutput,
    close,
    require,
)
from evit_nas.latency.profiler.benchmark_model.sections import TextFormat, parse_sections, regular_part
from evit_nas.latency.profiler.benchmark_model.statistics_line import parse_statistics

_PREFIX = re.compile(r"^(?:INFO|WARN|WARNING|ERROR|VERBOSE): (?:\[[\w./-]+:\d+\] )?")
_PHASE = re.compile(
    r"Running benchmark for at least (\d+) iterations and at least (\S+) seconds"
    r"(?: but terminate if exceeding (\S+) seconds)?\."
)
_TIMES = re.compile(r"(?:Average inference|Inference) timings in us: (?P<fields>.+)")
_COLUMN = re.compile(r"\[([^\]]+)\]")
_UNCONSUMED = "Unconsumed cmdline flags:"
_ELSEWHERE = re.compile(r"(Op profiling output file\.?|CSV File to export profiling data to): \[.+\]")
_LITERT = re.compile(r"=+ BENCHMARK RESULTS =+")
_LITERT_FIELD = re.compile(rf"(?P<key>[A-Z][A-Za-z ()]+):\s+(?P<value>{NUMBER})(?: ms)?(?: \((?P<runs>\d+) runs\))?")
_LITERT_STEP_US = 10.0  # times there are in milliseconds with two decimals


def parse_stdout(text: str) -> Report:
    """What the tool printed. Raises UnreadableOutput: cut off, damaged, failed, or flags that it did not take."""
    if "\ufffd" in text or "\0" in text:
        raise UnreadableOutput("garbage bytes in the output")
    lines = [_PREFIX.sub("", line.rstrip("\r")) for line in text.split("\n")]
    for line in lines:
        require(_UNCONSUMED not in line, f"the tool does not know a flag: {line.strip()[:100]}")
        require("Benchmarking failed" not in line, f"the tool failed: {_reason(lines)}")
    if any(_LITERT.search(line) for line in lines):
        return _litert(lines)
    latency, init_us = _classic(lines)
    rows = list(regular_part(lines))
    elsewhere = any(_ELSEWHERE.match(line) for line in lines)
    asked = any(line.strip() == "Enable op profiling: [1]" for line in lines)
    require(bool(rows) or elsewhere or not asked, "cut off before the operator profile")
    return Report(latency=latency, init_us=init_us, profile=parse_table(rows) if rows else None, tool="classic")


def parse_table(lines: Sequence[str], *, litert: bool = False) -> OpProfile:
    """The operator profile in printed columns. Raises UnreadableOutput."""
    return parse_sections(lines, TextFormat(header=_header, split=_split, rounding_us=0.5, litert=litert))


def _reason(lines: Sequence[str]) -> str:
    told = [line.strip() for line in lines if line.startswith(("Could not", "The model is not", "Failed"))]
    return (told or ["it does not say why"])[0][:100]


def _header(line: str) -> tuple[str, ...] | None:
    names = tuple(name.lower().replace(" %", "%").replace("avg%", "%") for name in _COLUMN.findall(line))
    return names if {"node type", "avg ms", "times called"} <= set(names) else None


def _split(line: str, header: tuple[str, ...]) -> Sequence[str]:
    if "\t" in line:
        return line.lstrip("\t").split("\t")
    # columns of blanks: the type and the name may hold some too, the numbers between them do not
    numbers = len(header) - (1 if header[-1] != "name" else 2)
    cells = [rf"\s+({NUMBER}%?)"] * numbers
    name = r"\s+(\S.*)" if header[-1] == "name" else ""
    match = re.fullmatch(r"\s*(\S.*?)" + "".join(cells) + name + r"\s*", line)
    return match.groups() if match else ()


def _timed_runs(lines: Sequence[str]) -> Summary | None:
    """The statistics after the last phase line; None where there is no such line at all."""
    phases = [(i, match) for i, line in enumerate(lines) if (match := _PHASE.fullmatch(line.strip()))]
    require(len(phases) <= 2, f"{len(phases)} phases of runs instead of two")
    if not phases:
        return None
    place, phase = phases[-1]
    after = [line for line in lines[place + 1 :] if line.strip()]
    require(bool(after), "cut off before the timed runs ended")
    latency = parse_statistics(after[0], "timed runs")
    enough = latency.count >= int(phase[1]) or phase[3] is not None
    require(enough, f"{latency.count} timed runs instead of {phase[1]}")
    return latency


def _classic(lines: Sequence[str]) -> tuple[Summary, float]:
    """Latency and initialisation: the statistics of the timed runs, confirmed by the line of totals."""
    latency = _timed_runs(lines)
    if latency is None:
        raise UnreadableOutput("no phase of runs: cut off, or no benchmark at all")
    totals = [match["fields"] for line in lines if (match := _TIMES.fullmatch(line.strip()))]
    require(len(totals) == 1, "no line of inference timings: cut off, or two of them")
    fields = dict(_field(part) for part in totals[0].split(", "))
    mean = next((fields[key] for key in ("Inference (avg)", "Inference", "no stats") if key in fields), None)
    require(mean is not None and "Init" in fields, "no inference time in the line of timings")
    assert mean is not None
    require(close(mean, latency.avg_us, absolute=0.0), f"mean of {latency.avg_us} us, the line of timings says {mean}")
    return latency, fields["Init"]


def _field(part: str) -> tuple[str, float]:
    key, _, value = part.strip().rpartition(": ")
    if not re.fullmatch(NUMBER, value):
        raise UnreadableOutput(f"line of timings: {part[:40]!r}")
    return key, float(value)


def _litert(lines: Sequence[str]) -> Report:
    """LiteRT's block of results in milliseconds, and its summary of operators where `--use_profiler` was given.

    The statistics of the timed runs are more exact than the block and stand in for it where they are there.
    """
    starts = [i for i, line in enumerate(lines) if _LITERT.search(line)]
    require(len(starts) == 1, "two blocks of results")
    fields: dict[str, tuple[float, int]] = {}
    for line in lines[starts[0] + 1 :]:
        if match := _LITERT_FIELD.fullmatch(line.strip()):
            require(match["key"] not in fields, f"{match['key']!r} is there twice")
            fields[match["key"]] = 1e3 * float(match["value"]), int(match["runs"] or 0)
    needed = ("Model initialization", "Inference (avg)", "Inference (min)", "Inference (max)", "Inference (std)")
    require(all(key in fields for key in needed), "the block of results is cut off")
    (mean, runs), low, high = fields["Inference (avg)"], fields["Inference (min)"][0], fields["Inference (max)"][0]
    require(runs >= 1 and low <= mean <= high, "the block of results contradicts itself")
    std = fields["Inference (std)"][0]
    require(std <= 0.71 * (high - low) + 2 * _LITERT_STEP_US, "the block of results contradicts itself")
    block = Summary(count=runs, avg_us=mean, min_us=low, max_us=high, std_us=std)
    latency = _confirmed(_timed_runs(lines), block)
    first = next((i for i, line in enumerate(lines) if re.search(r"=+ Run Order =+", line)), None)
    profile = None if first is None else parse_table(_until_observed(lines[first:]), litert=True)
    if profile is not None:
        profile = replace(profile, runs=1)
    return Report(latency=latency, init_us=fields["Model initialization"][0], profile=profile, tool="litert")


def _confirmed(timed: Summary | None, block: Summary) -> Summary:
    """`timed`, held against the block of results; the block itself where there are no statistics."""
    if timed is None:
        return block
    names = ("avg_us", "min_us", "max_us", "std_us")
    slack = _LITERT_STEP_US / 2 + 1.0  # the deviation was cut off to whole microseconds before
    alike = all(close(getattr(timed, name), getattr(block, name), absolute=slack) for name in names)
    require(alike and timed.count == block.count, "statistics and block of results contradict each other")
    return timed


def _until_observed(lines: Sequence[str]) -> list[str]:
    """The summary ends with its count of nodes; log lines come after it."""
    end = next((i for i, line in enumerate(lines) if line.strip().endswith("nodes observed")), None)
    require(end is not None, "the operator profile is cut off")
    assert end is not None
    return list(lines[: end + 1])
