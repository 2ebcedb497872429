"""The line `count=5 first=186741 curr=186305 min=.. max=.. avg=.. std=.. p5=.. median=.. p95=..` of every build.

One run: `count=1 curr=190469`; all equal: `count=5 curr=100(all same)`, percentiles after it; before 2022 none.
"""

from __future__ import annotations

import re

from evit_nas.latency.profiler.benchmark_model.output import NUMBER, Summary, UnreadableOutput, check_summary, require

_FIELD = re.compile(rf"(first|curr|min|max|avg|std|p5|median|p95)=({NUMBER})")
_LINE = re.compile(
    rf"count=(\d{{1,9}})((?: (?:first|curr|min|max|avg|std|p5|median|p95)={NUMBER}(?: ?\(all same\))?)+)"
)
_SPREAD = ("first", "min", "max", "avg", "std")


def parse_statistics(text: str, where: str, *, lone: bool = False) -> Summary:
    """Microseconds of a statistics line. Raises UnreadableOutput where it is none or contradicts itself.

    `lone`: several counted with nothing but `curr` is legal (LiteRT counts operators there, not runs).
    """
    match = _LINE.fullmatch(text.strip())
    if match is None:
        raise UnreadableOutput(f"{where}: {text.strip()[:80]!r} is no line of statistics")
    pairs = _FIELD.findall(match[2])
    named = {key: float(value) for key, value in pairs}
    require(len(named) == len(pairs) and "curr" in named, f"{where}: a figure is there twice, or missing")
    count, same = int(match[1]), "(all same)" in match[2]
    if count == 1 or same or (lone and named.keys() == {"curr"}):
        return _constant(named, count, where)
    require(all(key in named for key in _SPREAD), f"{where}: {count} runs without their spread")
    low, high = named.get("p5", named["min"]), named.get("p95", named["max"])
    require(
        named["min"] <= low <= named.get("median", low) <= high <= named["max"], f"{where}: percentiles out of order"
    )
    summary = Summary(
        count=count,
        avg_us=named["avg"],
        min_us=named["min"],
        max_us=named["max"],
        std_us=named["std"],
        median_us=named.get("median"),
    )
    return check_summary(summary, (named["first"], named["curr"]), where)


def _constant(named: dict[str, float], count: int, where: str) -> Summary:
    value = named["curr"]
    alike = all(named[key] == value for key in named if key != "std") and named.get("std", 0.0) == 0.0
    require(alike, f"{where}: one value, printed in two ways")
    return Summary(count=count, avg_us=value, min_us=value, max_us=value, std_us=0.0, median_us=named.get("median"))
