"""Flags of the classic tool (tensorflow/lite/tools/benchmark), as its `--help` lists them."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True, slots=True)
class Flag:
    """`echo`: what the tool calls the value when it repeats it; empty where it does not."""

    name: str
    default: str
    kind: str
    echo: str
    usage: str


def _read() -> tuple[Flag, ...]:
    text = resources.files("evit_nas.fakephone.benchmark").joinpath("flags.csv").read_text(encoding="utf-8")
    return tuple(Flag(**row) for row in csv.DictReader(text.splitlines()))


FLAGS = _read()
_BY_NAME = {flag.name: flag for flag in FLAGS}
_ALWAYS_ECHOED = ("graph", "signature_to_run_for")


class BadFlag(Exception):
    """A value that its flag cannot take."""


@dataclass(frozen=True, slots=True)
class Flags:
    """`given`: values by name; `unconsumed`: words that the tool ignores, with a warning."""

    given: dict[str, str]
    unconsumed: tuple[str, ...]

    def text(self, name: str) -> str:
        return self.given.get(name, _BY_NAME[name].default)

    def number(self, name: str) -> float:
        return float(self.text(name))

    def on(self, name: str) -> bool:
        return self.text(name) == "true"

    def echo(self) -> str:
        """The parameter lines of the log."""
        lines = [f"INFO: Log parameter values verbosely: [{int(self.on('verbose'))}]\n"]
        for flag in FLAGS:
            if flag.echo and (flag.name in self.given or flag.name in _ALWAYS_ECHOED or self.on("verbose")):
                lines.append(f"INFO: {flag.echo}: [{_shown(flag, self.text(flag.name))}]\n")
        if "num_threads" in self.given:
            lines.append(f"INFO: #threads used for CPU inference: [{self.text('num_threads')}]\n")
        xnnpack = [line for line in lines if line.startswith("INFO: Use xnnpack")]
        return "".join([line for line in lines if line not in xnnpack] + xnnpack)


def parse_flags(words: list[str]) -> Flags:
    """Of a flag given twice the first counts; the second and what nobody knows are unconsumed. Raises BadFlag."""
    given: dict[str, str] = {}
    unconsumed = []
    for word in words:
        match = re.fullmatch(r"--?(\w+)(?:=(.*))?", word, re.DOTALL)
        if match is None or match[1] not in _BY_NAME or match[1] in given:
            unconsumed.append(word)
            continue
        given[match[1]] = _value(_BY_NAME[match[1]], "true" if match[2] is None else match[2])
    return Flags(given, tuple(unconsumed))


def _value(flag: Flag, text: str) -> str:
    """Raises BadFlag."""
    if flag.kind == "bool":
        if text.lower() not in ("true", "false", "0", "1"):
            raise BadFlag(f"{flag.name}: {text}")
        return "true" if text.lower() in ("true", "1") else "false"
    try:
        if flag.kind == "int32":
            int(text)
        elif flag.kind == "float":
            float(text)
    except ValueError:
        raise BadFlag(f"{flag.name}: {text}") from None
    return text


def _shown(flag: Flag, text: str) -> str:
    if flag.kind == "bool":
        return str(int(text == "true"))
    return f"{float(text):g}" if flag.kind == "float" else text


def help_text(program: str) -> str:
    """What `--help` prints on stderr."""
    width = max(len(f"--{flag.name}={flag.default}") for flag in FLAGS)
    rows = (f"\t{f'--{flag.name}={flag.default}':<{width}}\t{flag.kind}\toptional\t{flag.usage}\n" for flag in FLAGS)
    return f"ERROR: usage: {program} <flags>\nFlags:\n{''.join(rows)}\n"
