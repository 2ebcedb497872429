"""Which flags a build of either tool knows, from its own `--help`, and the arguments of one call.

A flag that a tool does not know is not an error for it, only a warning; it must not be given at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from evit_nas.latency.profiler.benchmark_model.output import UnreadableOutput

_FLAG = re.compile(r"^\s*--([a-z0-9_]+)(?:=|\s)", re.MULTILINE)
MAX_EVENTS = 300_000  # of the tool's buffer; it drops what goes beyond
MAX_S = 120.0

Mode = Literal["proto", "csv", "stdout"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolFlags:
    """What a build can be asked."""

    names: frozenset[str]

    @property
    def tool(self) -> Literal["classic", "litert"]:
        return "litert" if "use_profiler" in self.names else "classic"

    @property
    def mode(self) -> Mode:
        """The most exact form in which it gives an operator profile."""
        if {"op_profiling_output_mode", "op_profiling_output_file"} <= self.names:
            return "proto"
        return "csv" if "profiling_output_csv_file" in self.names else "stdout"


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One call of the tool: at least `min_runs` runs and `seconds` of them after a warm-up. `profile_to`: file on the
    phone for the operator profile, None for a call that takes no profile."""

    model: str
    threads: int
    seconds: float
    min_runs: int
    warmup_s: float = 0.1
    profile: bool = False
    profile_to: str = ""
    mode: Mode = "proto"


def parse_help(text: str) -> ToolFlags:
    """Flags of a `--help` text (on stderr, exit code 1). Raises UnreadableOutput where it is none."""
    names = frozenset(_FLAG.findall(text))
    if not {"graph", "num_runs"} <= names:
        raise UnreadableOutput(f"no help text of a benchmark_model: {text.strip()[:80]!r}")
    return ToolFlags(names=names)


def arguments(flags: ToolFlags, call: Call) -> list[str]:
    """The words after the tool's name; flags that the build lacks are left out."""
    wanted = {
        "graph": call.model,
        "num_threads": str(call.threads),
        "num_runs": str(call.min_runs),
        "min_secs": f"{call.seconds:g}",
        "max_secs": f"{MAX_S:g}",
        "warmup_runs": "1",
        "warmup_min_secs": f"{call.warmup_s:g}",
        "use_xnnpack": "true",
        **(_profiling(flags, call) if call.profile else {}),
    }
    return [f"--{name}={value}" for name, value in wanted.items() if name in flags.names]


def _profiling(flags: ToolFlags, call: Call) -> dict[str, str]:
    if flags.tool == "litert":
        return {"use_profiler": "true"}
    buffer = {"enable_op_profiling": "true", "max_profiling_buffer_entries": str(MAX_EVENTS)}
    if call.mode == "stdout":
        return buffer
    if "op_profiling_output_mode" not in flags.names:
        return {**buffer, "profiling_output_csv_file": call.profile_to}
    return {**buffer, "op_profiling_output_mode": call.mode, "op_profiling_output_file": call.profile_to}
