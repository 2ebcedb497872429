"""What does `evit-nas profile` do while a phone misbehaves? Every fault of the fake phone, alone and in random pairs.

    python benchmarks/phone_faults.py [--pairs 30] [--seed 0] [--each N] [--only NAME ...] [--limit-s 300]
                                     [--log FILE]

Each fault opens early and late in each phase in which it means something, and stays or passes after some seconds of
the phone; pairs have random phases and times. Each trial is one run of the command on a fake phone of its own, through
the real adb, in a small space whose kernels all have known costs. `--each` draws N trials of each fault. Counted are
- `ended_right`: exit 0 with every row of the plan; `exit_4`: with a line that names the device, what failed and what
  to do (`messages_incomplete`: a line that lacks one of them); `other_exits`: anything else;
- `wrong_rows`: rows and whole networks further off their known cost than the noise allows;
- `hangs`: runs that took longer than `--limit-s` (give more on a machine with other work);
- `settings_left`: a phone whose settings were not put back, neither at the end of the run nor, where the phone could
  not be reached then, by the next start; `settings_put_back_later` counts the second kind;
- `leftovers`: files or processes of a run on a phone that could have been cleaned.
`by_fault` has the trials of each fault by how they ended: right, with exit 4, with a problem (any of the others).
Finished trials are read back from `--log` and not run again.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from fake_phones import own_adb
from phone_desk import Desk, is_back, laid_out, missing_rows, profiled, wrong_rows

from evit_nas.fakephone.faults import NAMES, PHASES, Fault
from evit_nas.fakephone.testing import RunningPhone, fake_phone
from evit_nas.latency.profiler.devices.adb import run_adb
from evit_nas.latency.profiler.devices.phone_tool import FOLDER

ENDLESS_S, PASSES_S = 1e6, 5.0
TIMES_S: Mapping[str, tuple[float, float]] = {"push": (0.0, 0.03), "shell": (0.2, 0.9), "run": (1.0, 6.3)}
_BOTH = ("shell", "run")
PHASES_OF: Mapping[str, tuple[str, ...]] = {
    "disk-full": ("push", "run"), "read-only": ("push", "run"), "corrupt-push": ("push",),
    "slow-link": ("push", "shell"), "no-shell-v2": ("shell",), "hot": _BOTH, "throttled": _BOTH, "capped-clock": _BOTH,
    "prime-core-off": _BOTH, "no-taskset": _BOTH, "no-thermal-files": ("shell",), "no-fixed-performance": ("shell",),
    "second-user": _BOTH, "crash-139": _BOTH, "crash-137": _BOTH, "hang": _BOTH, "truncated-output": _BOTH,
    "garbage-bytes": _BOTH,
}  # fmt: skip
ADVICE = "unlock replug check free restart close let choose give use start connect see stop install run boot wait add"
COUNTS = ("other_exits", "wrong_rows", "hangs", "settings_left", "leftovers", "messages_incomplete", "rows_missing")


@dataclass(frozen=True)
class Trial:
    name: str
    faults: tuple[Fault, ...]


@dataclass
class Outcome:
    """`problems`: kind (one of COUNTS) and what it was."""

    trial: str
    code: int = -1
    seconds: float = 0.0
    said: str = ""
    put_back_later: bool = False
    problems: list[tuple[str, str]] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--each", type=int, help="trials of each fault alone; by default all")
    parser.add_argument("--only", nargs="*", help="faults to try alone; `pairs` for the pairs")
    parser.add_argument("--limit-s", type=float, default=300.0)
    parser.add_argument("--log", type=Path)
    arguments = parser.parse_args()
    trials = [*drawn(list(singles()), arguments.each, arguments.seed), *pairs(arguments.pairs, arguments.seed)]
    if arguments.only:
        trials = [trial for trial in trials if trial.name.split(",")[0].split(" ")[0] in arguments.only]
    done = {outcome.trial: outcome for outcome in logged(arguments.log)}
    with own_adb() as folder:
        desk = laid_out(folder, arguments.seed)
        for trial in trials:
            if trial.name in done:
                continue
            outcome = done[trial.name] = run_trial(desk, trial, arguments.limit_s)
            print(json.dumps(vars(outcome)), file=sys.stderr, flush=True)
            if arguments.log:
                with arguments.log.open("a") as file:
                    file.write(json.dumps(vars(outcome)) + "\n")
    print(json.dumps(summary([done[trial.name] for trial in trials]), indent=2))


def logged(path: Path | None) -> Iterator[Outcome]:
    if path is not None and path.exists():
        yield from (Outcome(**json.loads(line)) for line in path.read_text().splitlines())


def summary(outcomes: list[Outcome]) -> dict[str, object]:
    found = [kind for outcome in outcomes for kind, _ in outcome.problems]
    return {
        "trials": len(outcomes),
        "ended_right": sum(outcome.code == 0 and not outcome.problems for outcome in outcomes),
        "exit_4": sum(outcome.code == 4 for outcome in outcomes),
        **{kind: found.count(kind) for kind in COUNTS},
        "settings_put_back_later": sum(outcome.put_back_later for outcome in outcomes),
        "longest_s": max((round(outcome.seconds, 1) for outcome in outcomes), default=0.0),
        "by_fault": by_fault(outcomes),
        "failures": [vars(outcome) for outcome in outcomes if outcome.problems],
    }


def by_fault(outcomes: list[Outcome]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for outcome in outcomes:
        ends = counts.setdefault(outcome.trial.split(" ")[0].rstrip(","), {"right": 0, "exit_4": 0, "problem": 0})
        ends["problem" if outcome.problems else "right" if outcome.code == 0 else "exit_4"] += 1
    return counts


def drawn(trials: list[Trial], each: int | None, seed: int) -> list[Trial]:
    """`each` trials of every fault, all of them where it is None."""
    if each is None:
        return trials
    draw, by_name = random.Random(seed), {name: [t for t in trials if t.faults[0].fault == name] for name in NAMES}
    return [trial for own in by_name.values() for trial in draw.sample(own, min(each, len(own)))]


def singles() -> Iterator[Trial]:
    ends = {"stays": ENDLESS_S, "passes": PASSES_S}
    windows = ((0, "stays"), (1, "stays"), (1, "passes"), (0, "passes"))
    for (late, end), name in product(windows, NAMES):
        for phase in PHASES_OF.get(name, PHASES):
            fault = Fault(fault=name, phase=phase, after_s=TIMES_S[phase][late], for_s=ends[end])
            yield Trial(f"{name} {phase} {('early', 'late')[late]} {end}", (fault,))


def pairs(count: int, seed: int) -> Iterator[Trial]:
    draw = random.Random(seed)
    for i in range(count):
        faults = []
        for name in draw.sample(sorted(NAMES), 2):
            phase = draw.choice(PHASES_OF.get(name, PHASES))
            after_s = draw.uniform(0.0, 1.5 * TIMES_S[phase][1])
            for_s = draw.choice((ENDLESS_S, draw.uniform(1.0, 20.0)))
            faults.append(Fault(fault=name, phase=phase, after_s=after_s, for_s=for_s))
        shown = " and ".join(f"{f.fault} {f.phase} {f.after_s:.2f} {f.for_s:.0f}" for f in faults)
        yield Trial(f"pairs, {seed}-{i}: {shown}", tuple(faults))


def run_trial(desk: Desk, trial: Trial, limit_s: float) -> Outcome:
    outcome = Outcome(trial.name)
    tables = desk.folder / re.sub(r"\W+", "-", trial.name)
    with fake_phone(cost_model=desk.model, faults=trial.faults) as phone:
        run_adb(["connect", phone.address])
        started = time.monotonic()
        outcome.code, outcome.said = profiled(desk, phone.address, tables, limit_s)
        outcome.seconds = round(time.monotonic() - started, 1)
        outcome.problems += ending(desk, outcome, phone.address, tables)
        outcome.problems += [("wrong_rows", text) for text in wrong_rows(desk, tables)]
        if not is_back(phone):
            outcome.put_back_later = True
            outcome.problems += restarted(desk, phone, tables, limit_s)
        elif not any(phone.phone.faulty(fault.fault) for fault in trial.faults):
            outcome.problems += left_over(phone)
        run_adb(["disconnect", phone.address])
    return outcome


def ending(desk: Desk, outcome: Outcome, address: str, tables: Path) -> list[tuple[str, str]]:
    if outcome.code == -9:
        return [("hangs", f"ended after {outcome.seconds:.0f} s")]
    if outcome.code == 0:
        missing = missing_rows(desk, tables)
        return [("rows_missing", f"{missing} of {len(desk.kernels_us)}")] if missing else []
    if outcome.code != 4:
        return [("other_exits", str(outcome.code))]
    device, _, rest = outcome.said.removeprefix("evit-nas: ").partition(": ")
    what, *advice = (clause.strip() for clause in rest.split(";"))
    named = device == address or device == "adb"
    told = any(clause.split(" ")[0] in ADVICE.split() for clause in advice)
    return [] if named and what and told else [("messages_incomplete", outcome.said)]


def restarted(desk: Desk, phone: RunningPhone, tables: Path, limit_s: float) -> list[tuple[str, str]]:
    """The phone is well again and the user starts anew, at most three times (a second fault may come first)."""
    for _ in range(3):
        phone.phone.clock.pass_s(2 * ENDLESS_S, threading.Event())
        run_adb(["disconnect", phone.address])
        run_adb(["connect", phone.address])
        code, said = profiled(desk, phone.address, tables, limit_s)
        if is_back(phone):
            return [("wrong_rows", text) for text in wrong_rows(desk, tables)]
    return [("settings_left", f"still after three starts, exit {code}: {said}")]


def left_over(phone: RunningPhone) -> list[tuple[str, str]]:
    time.sleep(0.3)
    names = phone.phone.files.names(str(FOLDER)) if phone.phone.files.exists(str(FOLDER)) else []
    found = [name for name in names if name != "benchmark_model"]
    found += [process.name for process in phone.phone.running()]
    return [("leftovers", ", ".join(found))] if found else []


if __name__ == "__main__":
    main()
