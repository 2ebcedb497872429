"""Running a model that may crash or hang the runtime: in a child process, so that this one lives on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evit_nas.errors import InputError, RuntimeUnavailable
from evit_nas.tflite.runtime_types import KernelEvent, Port

What = Literal["load", "time", "profile"]


@dataclass(frozen=True, kw_only=True, slots=True)
class IsolatedResult:
    """What the child found; `times_us` (runs,) after `time`, `events` after `profile`, both empty otherwise."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    times_us: NDArray[np.float64]
    events: tuple[KernelEvent, ...]


def run_isolated(
    model: Path, what: What, *, timeout_s: float = 120.0, runs: int = 20, warmup: int = 3, threads: int = 1
) -> IsolatedResult:
    """Load, time or profile `model` in a child process.

    Raises InputError where the runtime refuses it, crashes on it or takes longer than `timeout_s`; RuntimeUnavailable
    as `Session` does.
    """
    command = [sys.executable, "-m", "evit_nas.tflite.child", str(model), what, str(runs), str(warmup), str(threads)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        raise InputError(f"{model}: no answer from the runtime within {timeout_s:g} s; it was stopped") from None
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise InputError(f"{model}: the runtime crashed on this model ({name}); it is damaged or not supported")
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise InputError(f"{model}: the runtime stopped on this model (exit {done.returncode}): {last}") from None
    if "error" in answer:
        raise (RuntimeUnavailable if answer["class"] == "RuntimeUnavailable" else InputError)(answer["error"])
    return _result(answer)


def _result(answer: dict[str, Any]) -> IsolatedResult:
    return IsolatedResult(
        inputs=_ports(answer["inputs"]),
        outputs=_ports(answer["outputs"]),
        times_us=np.asarray(answer.get("times_us", ()), np.float64),
        events=tuple(
            KernelEvent(event["name"], event["kind"], event["index"], np.asarray(event["samples_us"], np.float64))
            for event in answer.get("events", ())
        ),
    )


def _ports(rows: list[dict[str, Any]]) -> tuple[Port, ...]:
    return tuple(Port(row["name"], tuple(row["shape"]), row["dtype"]) for row in rows)
