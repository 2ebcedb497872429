"""kill -9 of the profiler at random moments on a fake phone: is a row lost, or measured twice, or a setting left?

    python benchmarks/phone_kills.py [--kills 50] [--seed 0] [--latest 12]

One run of `evit-nas profile --quick` after the other is killed, half of them with the adb client that it started, half
alone. After each kill
- `rows_lost`: rows that stood in the table before and no longer do (read as plain CSV, not by the code under test);
- `rows_twice`: signatures that stand there twice;
- `networks_twice`: networks that were on disk as a whole when a run began, and that it profiled again all the same;
- `settings_unknown`: the phone's settings are changed and the journal that the next start reads is not there, or does
  not hold what they were.
A last run is not killed: it must end with exit 0 and put everything back (`settings_back`).
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from fake_phones import own_adb, profile_command
from phone_desk import is_back, laid_out, table_paths

from evit_nas.fakephone.properties import default_settings
from evit_nas.fakephone.testing import RunningPhone, fake_phone
from evit_nas.graph.emit import emit
from evit_nas.latency.profiler.devices.adb import run_adb
from evit_nas.latency.profiler.devices.phone_settings import state_folder
from evit_nas.latency.table.networks import load_networks, networks_path
from evit_nas.tflite.weights import fill_random
from evit_nas.tflite.writer import write

SPACE = "efficientvit-seg-small"
LIMIT_S = 900.0
EARLIEST_S = 0.5
CHANGED = {"global stay_on_while_plugged_in", "system screen_brightness_mode", "system screen_brightness"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--latest", type=float, default=12.0, help="seconds until the last moment of a kill")
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    with own_adb() as folder:
        desk, tables = laid_out(folder, arguments.seed), folder / "tables"
        tables.mkdir()
        with fake_phone(cost_model=desk.model) as phone:
            run_adb(["connect", phone.address])
            command = profile_command(phone.address, tables, "--quick", "--space", SPACE)
            moments_s = [draw.uniform(EARLIEST_S, arguments.latest) for _ in range(arguments.kills)]
            figures = killed(command, tables, phone, moments_s)
            before = set(signatures(tables))
            done = subprocess.run(command, capture_output=True, timeout=LIMIT_S, check=False)
            after = signatures(tables)
            figures["rows_lost"] += len(before - set(after))
            figures["rows_twice"] = len(after) - len(set(after))
            figures |= {"rows": len(after), "last_exit": done.returncode, "settings_back": is_back(phone)}
    print(json.dumps(figures, indent=2))


def killed(command: list[str], tables: Path, phone: RunningPhone, moments_s: list[float]) -> dict[str, int | bool]:
    """What the kills did, summed over them."""
    figures: dict[str, int | bool] = {
        "kills": len(moments_s),
        "found_running": 0,
        "settings_changed": 0,
        "rows_lost": 0,
        "networks_twice": 0,
        "settings_unknown": 0,
    }
    for i, moment_s in enumerate(moments_s):
        rows, finished, rounds = set(signatures(tables)), whole_networks(tables), profiled_models(tables)
        figures["found_running"] += kill_after(command, moment_s, alone=bool(i % 2))
        figures["rows_lost"] += len(rows - set(signatures(tables)))
        figures["networks_twice"] += sum(model in finished for model in profiled_models(tables)[len(rounds) :])
        figures["settings_changed"] += not is_back(phone)
        figures["settings_unknown"] += not is_back(phone) and not journal_holds(phone.address)
        print(f"{moment_s:.1f} s: {json.dumps(figures)}", file=sys.stderr, flush=True)
    return figures


def kill_after(command: list[str], seconds: float, *, alone: bool) -> bool:
    """Whether it was still running then. `alone`: its adb client lives on."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    time.sleep(seconds)
    running = process.poll() is None
    if running:
        (os.kill if alone else os.killpg)(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(0.2)  # for what the client has still to say to the phone
    return running


def signatures(tables: Path) -> list[str]:
    """Of every line that ends in a newline."""
    rows = []
    for path in table_paths(tables):
        rows += [fields[0] for fields in csv.reader(path.read_text().split("\n")[1:-1])]
    return rows


def whole_networks(tables: Path) -> set[str]:
    """Hashes of the models that need not be measured again, as the log of rounds has them."""
    found = set()
    for path in table_paths(tables):
        if networks_path(path).exists():
            for network in load_networks(path):
                model = write(fill_random(emit(network.arch, network.resolution), seed=0))
                found.add(hashlib.sha256(model).hexdigest()[:12])
    return found


def profiled_models(tables: Path) -> list[str]:
    """Of each round that took a profile, in order."""
    found = []
    for path in table_paths(tables):
        rounds = path.parent / "rounds" / path.name
        if rounds.exists():
            with rounds.open() as file:
                found += [row["model"] for row in csv.DictReader(file) if row["profiled"] == "yes"]
    return found


def journal_holds(address: str) -> bool:
    """Whether there is a journal of this phone with what everything was."""
    journal = state_folder() / f"{address.replace(':', '_')}.json"
    saved = json.loads(journal.read_text()) if journal.exists() else {}
    before = {f"{space} {key}": value for (space, key), value in default_settings().items()}
    return all(saved.get(name) == before[name] for name in CHANGED)


if __name__ == "__main__":
    main()
