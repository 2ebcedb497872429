"""Where the winners of a search are re-measured: on this machine, on the attached phone of their chip, or nowhere.

Both are what `evit-nas measure` does. A phone that is missing or fails costs the verification, never the search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from evit_nas.errors import EvitNasError, InputError
from evit_nas.latency.measurement import Provenance
from evit_nas.latency.profiler.devices.phone_identity import known_choice
from evit_nas.latency.profiler.devices.phone_session import attached_device, find_phone
from evit_nas.latency.profiler.host import measure_graph
from evit_nas.latency.profiler.phone import phone_timer
from evit_nas.latency.profiler.protocol import Timing
from evit_nas.latency.table.find import find_tables
from evit_nas.report.run_data import Winner
from evit_nas.soc.registry import resolve
from evit_nas.workflows.latency import DeviceModel, is_host
from evit_nas.workflows.run_folder import Setting

_Time = Callable[[bytes], tuple[Timing, Provenance]]


@dataclass
class Bench:
    """Times networks (.tflite files) one by one. After a failure it times no more, and `problem` says why.

    `where` is the device in words, `name` what was asked for.
    """

    name: str
    where: str = ""
    time: _Time | None = None
    problem: str = ""

    @property
    def ready(self) -> bool:
        return self.time is not None and not self.problem

    def timed(self, model: bytes) -> tuple[Timing, Provenance] | None:
        """The timing and its provenance, None where the device does not give one."""
        if self.time is None or self.problem:
            return None
        try:
            return self.time(model)
        except EvitNasError as error:
            self.problem = str(error)
            return None

    @property
    def reason(self) -> str:
        """What `problem` says of the device, without the advice."""
        return self.problem.removeprefix(f"{self.name}: ").partition("; ")[0]


def device_and_phone(device: str, tables: Path | None) -> tuple[str, str]:
    """The name of the tables that `device` means, and the serial where it is an attached phone's, else "".

    Raises DeviceError for a phone of this serial that is not ready.
    """
    if is_host(device) or find_tables(device, tables):
        return device, ""
    own = attached_device(device)
    return (own, device) if own else (device, "")


@contextmanager
def bench_of(setting: Setting, note: Callable[[str], None]) -> Iterator[Bench]:
    """The device of a search, ready for timing; a phone is left as it was found."""
    threads = setting.request.threads
    if is_host(setting.request.device):

        def time_here(model: bytes) -> tuple[Timing, Provenance]:
            return measure_graph(model, threads=threads, note=note), "measured"

        yield Bench(name=setting.request.device, where="this machine", time=time_here)
        return
    with ExitStack() as opened:
        yield _phone_bench(setting, opened, note)


def _phone_bench(setting: Setting, opened: ExitStack, note: Callable[[str], None]) -> Bench:
    wanted = setting.phone or _chip(setting.model)
    if not wanted:
        named = setting.model.device
        return Bench(name=named, problem=f"{named} is neither this machine nor the chip of a phone that adb can find")
    try:
        serial = find_phone(wanted)
        note(f"{serial}: winners are re-measured on it")
        core = known_choice(setting.model.table.conditions.core)
        timer = opened.enter_context(phone_timer(serial, core=core, threads=setting.request.threads, note=note))
    except EvitNasError as error:
        return Bench(name=wanted, problem=str(error))

    def time_there(model: bytes) -> tuple[Timing, Provenance]:
        done = timer(model)
        return done.timing, done.facts.provenance

    return Bench(name=wanted, where=serial, time=time_there)


def _chip(model: DeviceModel) -> str:
    """The chip that a table is of, "" where the registry does not know it: another machine, a phone without adb."""
    for name in (model.table.provenance.soc.partition(" (")[0], model.device):
        try:
            return resolve(name).id
        except InputError:
            continue
    return ""


def verification(bench: Bench, winners: Sequence[Winner]) -> str:
    """How the winners were verified, in one line."""
    done = [winner for winner in winners if winner.verified_ms is not None]
    if not done:
        return f"not verified: {bench.problem or 'there is no winner'}"
    count = "" if len(done) == len(winners) else f"{len(done)} of {len(winners)} "
    simulated = " (simulated)" if any(winner.verified_provenance == "simulated" for winner in done) else ""
    missed = sum(winner.missed_budget for winner in winners)
    gave_way = f"; {missed} missed the budget and gave way" if missed else ""
    failed = f"; the others are not verified: {bench.problem}" if bench.problem else ""
    return f"{count}winners re-measured on {bench.where}{simulated}{gave_way}{failed}"
