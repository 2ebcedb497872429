"""Flags from a recorded help text, and calls of builds that lack some."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evit_nas.latency.profiler.benchmark_model.flags import Call, ToolFlags, arguments, parse_help
from evit_nas.latency.profiler.benchmark_model.output import UnreadableOutput

HELP = (Path(__file__).parents[3] / "data" / "benchmark_model" / "help.err").read_text()
CALL = Call(model="/m.tflite", threads=1, seconds=0.5, min_runs=3, profile=True, profile_to="/p", mode="proto")


def test_the_classic_tool_gives_a_proto_profile() -> None:
    flags = parse_help(HELP)
    assert (flags.tool, flags.mode) == ("classic", "proto")
    words = arguments(flags, CALL)
    assert {"--graph=/m.tflite", "--num_runs=3", "--min_secs=0.5", "--op_profiling_output_mode=proto"} <= set(words)
    assert len({word.partition("=")[0] for word in words}) == len(words)  # of a flag given twice the second is ignored


def test_an_older_build_gets_only_flags_that_it_knows() -> None:
    known = parse_help(HELP).names - {"op_profiling_output_mode", "op_profiling_output_file", "use_xnnpack"}
    flags = ToolFlags(names=known)
    words = arguments(flags, replace(CALL, mode=flags.mode))
    assert flags.mode == "csv"
    assert "--profiling_output_csv_file=/p" in words
    assert not [word for word in words if "xnnpack" in word or "output_mode" in word]


def test_litert_has_a_switch_of_its_own() -> None:
    flags = ToolFlags(names=frozenset(["graph", "num_runs", "num_threads", "use_profiler"]))
    words = arguments(flags, replace(CALL, mode=flags.mode))
    assert words == ["--graph=/m.tflite", "--num_threads=1", "--num_runs=3", "--use_profiler=true"]


def test_something_else_is_no_help_text() -> None:
    with pytest.raises(UnreadableOutput, match="not found"):
        parse_help("sh: benchmark_model: not found")
