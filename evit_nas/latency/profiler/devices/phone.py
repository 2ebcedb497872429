"""A phone as a `Device`: benchmark_model over adb, pinned, watched, repeated where the phone was not itself."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from evit_nas.errors import DeviceError, InputError
from evit_nas.latency.measurement import Conditions
from evit_nas.latency.profiler.benchmark_model.flags import Call
from evit_nas.latency.profiler.benchmark_model.output import UnreadableOutput
from evit_nas.latency.profiler.devices.adb import Adb
from evit_nas.latency.profiler.devices.base import DeviceFacts, Floats
from evit_nas.latency.profiler.devices.phone_events import network_events, restored, together
from evit_nas.latency.profiler.devices.phone_identity import PhoneIdentity
from evit_nas.latency.profiler.devices.phone_rounds import RoundLog
from evit_nas.latency.profiler.devices.phone_run import DamagedModel, Pinned, Run, profile_path, run_tool
from evit_nas.latency.profiler.devices.phone_tool import FOLDER, InstalledTool, push_checked
from evit_nas.latency.profiler.devices.phone_watch import others, unfit, wait_until_fit, wait_until_quiet
from evit_nas.tflite.reader import read
from evit_nas.tflite.runtime_types import KernelEvent

ATTEMPTS = 5  # rounds in which the phone was hot or slowed, before the last one is given as doubtful
FAILURES = 3  # runs of the tool that fail one after the other, before the run ends
LEAST_S = 0.1  # of timed runs: starting the tool takes longer than that anyway
RESTLESS = 0.08  # standard deviation over mean of whole runs from which something else uses the phone
KEPT_MODELS = 3
SINGLE_RUNS = 5  # calls of a tool that keeps the profile of its last run alone


class PhoneDevice:
    """A `Device`. The caller holds the phone's lock and settings (`open_phone`)."""

    def __init__(
        self,
        adb: Adb,
        identity: PhoneIdentity,
        tool: InstalledTool,
        pinned: Pinned,
        *,
        conditions: Conditions,
        limit_khz: int,
        notes: tuple[str, ...] = (),
        note: Callable[[str], None],
    ) -> None:
        self._adb, self._identity, self._tool, self._pinned = adb, identity, tool, pinned
        self._limit_khz, self._note = limit_khz, note
        self._disturbance = ""
        self._crowded = ""  # what else was at work when runs varied last
        self._models: list[str] = []  # on the phone, the last used at the end
        self.rounds: RoundLog | None = None
        self._uptimes_s: list[float] = []  # of the phone at the first and the last look
        self.facts = DeviceFacts(
            conditions=conditions,
            serial=identity.serial,
            cpu_model=_cpu_model(identity, pinned),
            soc=identity.soc.id if identity.soc else "",
            host_fingerprint=identity.fingerprint(),
            runtime_version=f"benchmark_model ({tool.flags.tool})",
            runtime_hash=tool.sha256[:16],
            provenance="simulated" if identity.simulated else "measured",
            notes=notes,
            fresh_process=True,
        )

    def profile(self, model: bytes, *, seconds: float, min_runs: int) -> tuple[KernelEvent, ...]:
        found, problems = [], []
        for _ in range(SINGLE_RUNS if self._tool.flags.tool == "litert" else 1):
            found.append(self._events(model, seconds, min_runs))
            problems.append(self._disturbance)
        self._disturbance = next(filter(None, problems), "")
        return together(found)

    def _events(self, model: bytes, seconds: float, min_runs: int) -> tuple[KernelEvent, ...]:
        run = self._measured(model, seconds, min_runs, profile=True)
        assert run.profile is not None
        try:
            return network_events(run.profile, read(model))
        except InputError as error:
            raise DeviceError(
                f"{self._identity.serial}: this build of benchmark_model does not run the network as LiteRT 2 does "
                f"({error}); give a newer one with --benchmark-model"
            ) from None

    def time_us(self, model: bytes, *, seconds: float, min_runs: int) -> Floats:
        latency = self._measured(model, seconds, min_runs, profile=False).report.latency
        return restored(latency.avg_us, latency.std_us, latency.count)

    @property
    def busy_s(self) -> float:
        """Seconds by the phone's own clock from the first round to the last."""
        return self._uptimes_s[-1] - self._uptimes_s[0] if self._uptimes_s else 0.0

    def disturbance(self) -> str:
        return self._disturbance

    def _measured(self, model: bytes, seconds: float, min_runs: int, *, profile: bool) -> Run:
        """A run during which the phone was fit; after ATTEMPTS the last one, and `disturbance` says why not."""
        failures = 0
        for attempt in range(ATTEMPTS):
            while True:
                try:
                    run = self._run(model, seconds, min_runs, profile=profile)
                    break
                except UnreadableOutput as error:
                    failures += 1
                    if failures >= FAILURES:
                        raise DeviceError(
                            f"{self._identity.serial}: {error}, {FAILURES} times; restart the phone and start again "
                            "(finished rows are kept)"
                        ) from None
            problem = self._problem(run)
            self._record(model, run, problem, profile=profile)
            if not problem:
                self._disturbance = ""
                return run
            if attempt < ATTEMPTS - 1:
                if self._crowded:
                    wait_until_quiet(self._adb, self._note)
                wait_until_fit(self._adb, self._pinned.core, self._limit_khz, self._note)
        self._disturbance = problem
        return run

    def _run(self, model: bytes, seconds: float, min_runs: int, *, profile: bool) -> Run:
        sha256 = hashlib.sha256(model).hexdigest()
        mode = self._tool.flags.mode
        call = Call(
            model=str(self._on_phone(model, sha256)),
            threads=self._pinned.threads,
            seconds=max(seconds, LEAST_S),
            min_runs=min_runs,
            profile=profile,
            profile_to=profile_path(mode) if profile else "",
            mode=mode,
        )
        try:
            run = run_tool(self._adb, self._tool, self._pinned, call, sha256)
        except DamagedModel:
            self._models.remove(sha256)
            raise
        if self._uptimes_s and run.before.uptime_s < self._uptimes_s[-1]:
            raise DeviceError(f"{self._identity.serial}: was restarted; start again (finished rows are kept)")
        self._uptimes_s = [*self._uptimes_s[:1], run.before.uptime_s, run.after.uptime_s][-3:]
        for look in (run.before, run.after):
            if look.build != self._identity.build:
                raise DeviceError(f"{self._identity.serial}: came back with another build of Android; start again")
        return run

    def _on_phone(self, model: bytes, sha256: str) -> PurePosixPath:
        """Push a model unless it is there; the oldest but one goes (the first is the canary's)."""
        path = _model_path(sha256)
        if sha256 in self._models:
            return path
        if len(self._models) >= KEPT_MODELS:
            self._adb.shell(["rm", "-f", str(_model_path(self._models.pop(1)))])
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "model.tflite"
            source.write_bytes(model)
            push_checked(self._adb, source, sha256, path)
        self._models.append(sha256)
        return path

    def _problem(self, run: Run) -> str:
        """Why the round does not count, "" where it does. What else is at work is asked only where runs vary."""
        self._crowded = ""
        latency = run.report.latency
        slowed = unfit(run.before, self._limit_khz) or unfit(run.after, self._limit_khz)
        spread = latency.std_us / latency.avg_us if latency.count >= 3 else 0.0
        if slowed or spread <= RESTLESS / 2:
            return slowed
        self._crowded = others(self._adb)
        if self._crowded or spread <= RESTLESS:
            return self._crowded
        return f"runs vary by {spread:.0%}, something else uses the phone"

    def _record(self, model: bytes, run: Run, problem: str, *, profile: bool) -> None:
        if self.rounds is not None:
            self.rounds.append(model, run, self._pinned, problem, profile=profile)


def _model_path(sha256: str) -> PurePosixPath:
    return FOLDER / f"{sha256[:16]}.tflite"


def _cpu_model(identity: PhoneIdentity, pinned: Pinned) -> str:
    names = {cluster.part_name for cluster in identity.clusters if cluster.mask & (pinned.mask or ~0)}
    return f"{identity.model}, {', '.join(sorted(names))}"
