"""Train and evaluate the networks of a plan, one line of a table each; killed anywhere, the same command goes on.

`python benchmarks/measured/run_queue.py reports/measured/plan.csv` (about 200 s a network of the size of B0 at 128x160,
12 epochs, one thread). With `--workers 2` two processes share the plan; started twice, it is the same. Training gives
way to whatever is timed on this machine. Prints what is finished, failed and left as JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from evit_nas.errors import EvitNasError
from evit_nas.workflows.train_queue import run_queue

DATA = Path("../shared/data")
ROOTS = {"idd-lite": DATA / "idd_lite", "idd-lite-held-out": DATA / "idd_lite", "camvid": DATA / "camvid240"}


class Log:
    """Lines with the time of day on stderr; a bar would fill a log."""

    def start(self, total: float, what: str) -> None:
        pass

    def advance(self, amount: float = 1.0) -> None:
        pass

    def note(self, text: str) -> None:
        print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plan", type=Path)
    parser.add_argument("--root", action="append", default=[], metavar="DATASET=DIR", help="instead of ../shared/data")
    parser.add_argument("--work", type=Path, default=Path("runs/measured"), help="a folder for each training")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    parser.add_argument("--hours", type=float, help="begin no job after that")
    arguments = parser.parse_args()
    given = [text.partition("=") for text in arguments.root]
    roots = {**ROOTS, **{name: Path(folder) for name, _, folder in given}}
    others = [start_another(sys.argv[1:]) for _ in range(arguments.workers - 1)]
    try:
        result = run_queue(
            arguments.plan,
            roots=roots,
            work=arguments.work,
            hours=arguments.hours,
            threads=arguments.threads,
            progress=Log(),
        )
    except EvitNasError as error:
        sys.exit(str(error))
    for other in others:
        other.wait()
    print(json.dumps(asdict(result)))


def start_another(arguments: list[str]) -> subprocess.Popen[bytes]:
    """The same command as one worker more; its last line goes to the log."""
    return subprocess.Popen([sys.executable, __file__, *arguments, "--workers", "1"], stdout=sys.stderr)


if __name__ == "__main__":
    main()
