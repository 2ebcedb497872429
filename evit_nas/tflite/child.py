"""A child process that runs one foreign model: `python -m evit_nas.tflite.child MODEL WHAT RUNS WARMUP THREADS`.

One JSON document on stdout. What a crash takes with it is this process alone; `runtime_isolated` is the other end.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evit_nas.errors import InputError, RuntimeUnavailable
from evit_nas.tflite.runtime import Session


def main(arguments: list[str]) -> dict[str, Any]:
    """What the parent asked for, or `error` and its class."""
    path, what, runs, warmup, threads = arguments
    try:
        with Session(Path(path), threads=int(threads), profile=what == "profile") as session:
            answer: dict[str, Any] = {
                "inputs": [asdict(port) for port in session.inputs],
                "outputs": [asdict(port) for port in session.outputs],
            }
            if what == "time":
                answer["times_us"] = session.time_us(int(runs), int(warmup)).tolist()
            if what == "profile":
                events = session.profile(int(runs), int(warmup))
                answer["events"] = [{**asdict(event), "samples_us": event.samples_us.tolist()} for event in events]
            return answer
    except (InputError, RuntimeUnavailable) as error:
        return {"error": str(error), "class": type(error).__name__}


if __name__ == "__main__":
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)  # the runtime may print; only the answer goes to the real stdout
        json.dump(main(sys.argv[1:]), answers)
