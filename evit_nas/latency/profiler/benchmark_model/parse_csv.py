"""`--op_profiling_output_mode=csv`.

Commas inside names are written as TABs, those inside node types are not, so rows are cut from the right.
"""

from __future__ import annotations

from evit_nas.latency.profiler.benchmark_model.output import OpProfile, UnreadableOutput
from evit_nas.latency.profiler.benchmark_model.sections import TextFormat, parse_sections, regular_part

_SEPARATOR = ", "
_OLD_NAMES = {"avg_ms": "avg ms", "avg %": "%", "cdf %": "cdf%"}


def parse_csv(text: str) -> OpProfile:
    """The operator profile of a csv file. Raises UnreadableOutput."""
    if "\ufffd" in text or "\0" in text:
        raise UnreadableOutput("garbage bytes in the csv file")
    lines = [line.rstrip("\r") for line in text.split("\n")]
    return parse_sections(list(regular_part(lines)), TextFormat(header=_header, split=_split, rounding_us=0.05))


def _header(line: str) -> tuple[str, ...] | None:
    names = tuple(_OLD_NAMES.get(name, name) for name in line.strip().split(_SEPARATOR))
    return names if {"node type", "avg ms", "times called"} <= set(names) else None


def _split(line: str, header: tuple[str, ...]) -> list[str]:
    return line.rsplit(_SEPARATOR, len(header) - 1)
