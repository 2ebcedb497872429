"""Is a damaged output of benchmark_model ever read wrong?

    python benchmarks/phone_outputs.py [--mutations 5000] [--seed 0]

Recorded outputs of the classic tool (stdout, csv, proto) and the same outputs as older builds and LiteRT's tool write
them are damaged once each: a byte changed, bytes lost or put in, the end cut off, a line lost, doubled or swapped, a
digit changed. Each must be refused or read as the sound one: the same operators at the same places, called as often,
and every time the same up to what the format itself says twice (whole microseconds, six digits; LiteRT's tool prints
its latency a second time in hundredths of a millisecond). Rows known as merged are refused when events are made of
them, so they count as refused.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from evit_nas.fakephone.benchmark import dialects
from evit_nas.latency.profiler.benchmark_model.output import OpProfile, UnreadableOutput
from evit_nas.latency.profiler.benchmark_model.parse_csv import parse_csv
from evit_nas.latency.profiler.benchmark_model.parse_proto import parse_proto
from evit_nas.latency.profiler.benchmark_model.parse_stdout import parse_stdout

RECORDED = Path(__file__).parents[1] / "tests" / "data" / "benchmark_model"
Rewrite = Callable[[str], str]
STDOUT: Mapping[str, Rewrite] = {
    "2022": dialects.without_percentiles,
    "up to 2.8": dialects.up_to_2_8,
    "up to 2.2": dialects.up_to_2_2,
    "litert": lambda text: "".join(dialects.litert(text)),
}


@dataclass(frozen=True)
class Output:
    """One sound output: its format is `stdout`, `csv` or `pb`. `latency_us`: how far a right latency may be off."""

    content: bytes
    form: str
    latency_us: float = 1.0


@dataclass(frozen=True)
class Facts:
    """What rows of a table are made of."""

    latency_us: float | None
    rows: tuple[tuple[str, str, int, int, float], ...]
    merged: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutations", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    names = list(outputs())
    counts: dict[str, Counter[str]] = {name: Counter() for name in names}
    wrong = []
    for i in range(arguments.mutations):
        name, seed = names[i % len(names)], arguments.seed * 1_000_000 + i
        found = verdict(outputs()[name], seed)
        counts[name][found] += 1
        if found not in ("right", "refused"):
            wrong.append({"output": name, "seed": seed, "verdict": found})
    total = sum(counts.values(), Counter[str]())
    print(json.dumps({"mutations": arguments.mutations, **total, "wrong_ones": wrong, "by_output": counts}))


@cache
def outputs() -> dict[str, Output]:
    """Every sound output by name."""
    found = {
        name: Output((RECORDED / name).read_bytes(), {".out": "stdout", ".csv": "csv", ".pb": "pb"}[Path(name).suffix])
        for name in ("plain.out", "prof.out", "g_ref.out", "p_xnn.csv", "p_ref.csv", "seg.csv", "p_xnn.pb")
    }
    for source in ("plain.out", "prof.out", "g_ref.out"):
        for name, rewrite in STDOUT.items():
            text = rewrite(found[source].content.decode())
            found[f"{source}, {name}"] = Output(text.encode(), "stdout", 6.5 if name == "litert" else 1.0)
    for source in ("p_xnn.csv", "p_ref.csv"):
        found[f"{source}, up to 2.8"] = Output(dialects.csv_up_to_2_8(found[source].content.decode()).encode(), "csv")
    return found


def facts(form: str, content: bytes) -> Facts:
    """Raises UnreadableOutput."""
    latency_us, profile = None, None
    if form == "pb":
        profile = parse_proto(content)
    elif form == "csv":
        profile = parse_csv(content.decode("utf-8", errors="replace"))
    else:
        report = parse_stdout(content.decode("utf-8", errors="replace"))
        latency_us, profile = report.latency.avg_us, report.profile
    return Facts(latency_us, _rows(profile), profile is not None and bool(profile.merged))


def _rows(profile: OpProfile | None) -> tuple[tuple[str, str, int, int, float], ...]:
    rows = profile.rows if profile else ()
    return tuple(sorted((row.kind, row.op, row.index, row.calls, row.avg_us) for row in rows))


@cache
def sound_facts(output: Output) -> Facts:
    return facts(output.form, output.content)


def verdict(output: Output, seed: int) -> str:
    """`right`, `refused`, `wrong`, or the exception that nobody expected."""
    sound = sound_facts(output)
    try:
        found = facts(output.form, damaged(output.content, random.Random(seed)))
    except UnreadableOutput:
        return "refused"
    except Exception as error:
        return type(error).__name__
    lost = bool(sound.rows) and not found.rows  # a call that asked for a profile and got none is refused
    if found.merged or lost:
        return "refused"
    return "right" if same(sound, found, output.latency_us) else "wrong"


def same(sound: Facts, found: Facts, latency_us: float) -> bool:
    """Whether two readings differ by less than the formats round."""
    if sound.latency_us is not None:
        slack = latency_us + 2e-5 * sound.latency_us
        if found.latency_us is None or abs(sound.latency_us - found.latency_us) > slack:
            return False
    total_us = sum(row[3] * row[4] for row in sound.rows)
    slack = 1.5 + 2e-5 * total_us
    return [row[:4] for row in sound.rows] == [row[:4] for row in found.rows] and all(
        abs(a[4] - b[4]) <= slack for a, b in zip(sound.rows, found.rows, strict=True)
    )


def damaged(content: bytes, draw: random.Random) -> bytes:
    """The content with one damage."""
    at, lines = draw.randrange(len(content)), content.split(b"\n")
    i, j = draw.randrange(len(lines)), draw.randrange(len(lines))
    match draw.randrange(9):
        case 0:
            return content[:at] + bytes([draw.randrange(256)]) + content[at + 1 :]
        case 1:
            return content[:at] + bytes([content[at] ^ 1 << draw.randrange(8)]) + content[at + 1 :]
        case 2:
            return content[:at] + content[at + draw.choice([1, 2, 10, 100, 1000]) :]
        case 3:
            return content[:at] + draw.randbytes(draw.choice([1, 2, 10])) + content[at:]
        case 4:
            return content[:at]
        case 5:
            return b"\n".join(lines[:i] + lines[i + 1 :])
        case 6:
            return b"\n".join([*lines[:j], lines[i], *lines[j:]])
        case 7:
            lines[i], lines[j] = lines[j], lines[i]
            return b"\n".join(lines)
    place = draw.choice([place for place, byte in enumerate(content) if 48 <= byte < 58])
    digit = (content[place] - 48 + draw.randrange(1, 10)) % 10
    return content[:place] + str(digit).encode() + content[place + 1 :]


if __name__ == "__main__":
    main()
