"""kill -9 at random moments in `profile` and `search`: is a finished row or generation ever lost?

Each trial starts the command, kills its whole process group after a random time, and compares what was on disk before
the kill (finished rows, finished generations) with what the next start finds and keeps. At the end the search is run to
its end and compared with one that was never killed; the profile is continued once more.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from evit_nas.latency.table.networks import load_networks
from evit_nas.latency.table.store import load_table
from evit_nas.report.run_data import read_run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="of each command")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=("search", "profile"))
    arguments = parser.parse_args()
    moments = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        trials = {"search": kill_search, "profile": kill_profile}
        chosen = [arguments.only] if arguments.only else list(trials)
        figures = {name: trials[name](Path(folder), arguments.kills, moments) for name in chosen}
    print(json.dumps(figures))


def kill_search(folder: Path, kills: int, moments: random.Random) -> dict[str, object]:
    whole, cut = folder / "whole", folder / "cut"
    plain = ["search", "--budget", "200ms", "--trials", "1000"]
    started = time.monotonic()
    finish([*plain, "--out", str(whole)])
    length_s = time.monotonic() - started
    lost, seen = 0, 0
    for _ in range(kills):
        journal = cut / "generations.jsonl"
        begun = journal.exists() and journal.read_bytes().count(b"\n") > 0
        command = ["search", "--resume", str(cut)] if begun else [*plain, "--out", str(cut)]
        if journal.exists() and not begun:
            journal.unlink()
        kill_after(command, moments.uniform(0.3, length_s))
        lines = journal.read_bytes().count(b"\n") if journal.exists() else 0
        lost += lines < seen
        seen = max(seen, lines)
    finish(["search", "--resume", str(cut)])
    equal = read_run(whole).evaluated.codes.tolist() == read_run(cut).evaluated.codes.tolist()
    return {"kills": kills, "generations_lost": lost, "end_equals_uninterrupted": equal}


def kill_profile(folder: Path, kills: int, moments: random.Random) -> dict[str, object]:
    tables = folder / "tables"
    command = ["profile", "--device", "host", "--quick", "--tables", str(tables)]
    lost, measured_twice = 0, 0
    before: set[str] = set()
    for _ in range(kills):
        kill_after(command, moments.uniform(2.0, 12.0))
        rows = finished_rows(tables)
        lost += len(before - set(rows))
        measured_twice += len(rows) - len(set(rows))
        before = set(rows)
    finish(command)
    (path,) = tables.glob("host-*/*-fp32.csv")
    after = {row.signature.key for row in load_table(path).rows}
    return {
        "kills": kills,
        "rows_lost": lost + len(before - after),
        "rows_measured_twice": measured_twice,
        "rows_at_the_end": len(after),
        "networks_at_the_end": len(load_networks(path)),
    }


def finished_rows(tables: Path) -> list[str]:
    """Signatures of the lines that end in a newline, read as plain CSV: not by the code under test."""
    rows = []
    for path in tables.glob("host-*/*-fp32.csv"):
        lines = path.read_text().split("\n")[1:-1]
        rows += [fields[0] for fields in csv.reader(lines)]
    return rows


def kill_after(command: list[str], seconds: float) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "evit_nas", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(seconds)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def finish(command: list[str]) -> None:
    subprocess.run([sys.executable, "-m", "evit_nas", *command], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
