"""Measuring on a phone over adb: the table of a space, and single networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from evit_nas.errors import InputError
from evit_nas.latency.profiler.devices.base import DeviceFacts
from evit_nas.latency.profiler.devices.phone_session import open_phone
from evit_nas.latency.profiler.plan import FULL, QUICK, ChooseRows
from evit_nas.latency.profiler.protocol import Canary, Timing, time_network
from evit_nas.latency.profiler.run import ProfileResult, Progress, Report, profile_device
from evit_nas.space.space import SearchSpace

# a round on a phone costs the start of a process too; processes there differ, and short events are cut off
PHONE_FULL = replace(FULL, limit_seconds=3600, processes=(2, 4), short_us=10.0)
PHONE_QUICK = replace(QUICK, limit_seconds=600)


@dataclass(frozen=True, kw_only=True, slots=True)
class PhoneResult:
    """What was done, on what, and how long the phone says that it took."""

    result: ProfileResult
    facts: DeviceFacts
    phone_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class PhoneTiming:
    """A whole network's timing and what it ran on."""

    timing: Timing
    facts: DeviceFacts


def profile_phone(
    serial: str,
    space: SearchSpace,
    *,
    tables_dir: Path,
    allow_simulated: bool,
    quick: bool = False,
    core: str | None = None,
    benchmark_model: Path | None = None,
    threads: int = 1,
    seed: int = 0,
    max_rows: int | None = None,
    choose_rows: ChooseRows | None = None,
    progress: Report | None = None,
    logged: Callable[[Path], None] | None = None,
) -> PhoneResult:
    """Build or continue a phone's table for `space` under `tables_dir`; the rest as `profile_device`.

    Raises DeviceError: the phone is gone, does not cool down, or stays disturbed; finished rows are kept. InputError:
    a stand-in phone where `allow_simulated` is not set. `logged` gets the log of rounds, however the run ends.
    """
    note = noter(progress)
    with open_phone(
        serial, core=core, threads=threads, benchmark_model=benchmark_model, tables_dir=tables_dir, note=note
    ) as device:
        if device.facts.provenance == "simulated" and not allow_simulated:
            raise InputError(f"{serial} is no real phone: its rows go only where you say; give a folder with --tables")
        try:
            result = profile_device(
                device,
                space,
                tables_dir=tables_dir,
                effort=PHONE_QUICK if quick else PHONE_FULL,
                seed=seed,
                max_rows=max_rows,
                choose_rows=choose_rows,
                progress=progress,
            )
        finally:
            if logged is not None and device.rounds is not None and device.rounds.path.exists():
                logged(device.rounds.path)
        return PhoneResult(result=result, facts=device.facts, phone_s=device.busy_s)


@contextmanager
def phone_timer(
    serial: str,
    *,
    core: str | None = None,
    threads: int = 1,
    seconds: float = 0.5,
    rounds: tuple[int, int] = (3, 8),
    note: Callable[[str], None],
) -> Iterator[Callable[[bytes], PhoneTiming]]:
    """A phone made ready; gives what times whole .tflite files on it, one after the other beside a canary.

    Raises DeviceError, InputError (also the function does), as `open_phone`.
    """
    with open_phone(serial, core=core, threads=threads, note=note) as device:
        canary = Canary(device)
        canary.settle()

        def timed(model: bytes) -> PhoneTiming:
            return PhoneTiming(timing=time_network(canary, model, seconds=seconds, rounds=rounds), facts=device.facts)

        yield timed


def noter(progress: Report | None) -> Callable[[str], None]:
    """What takes notes and passes them on as progress; nothing where nobody listens."""

    def note(text: str) -> None:
        if progress is not None:
            progress(Progress(networks_done=0, networks_planned=0, rows=0, elapsed_s=0.0, left_s=0.0, note=text))

    return note
