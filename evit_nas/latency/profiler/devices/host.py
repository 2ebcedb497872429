"""This machine, through the LiteRT C API, pinned to one core for each thread."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from evit_nas.errors import InputError
from evit_nas.latency.measurement import Conditions
from evit_nas.latency.profiler.devices.base import DeviceFacts, Floats
from evit_nas.latency.profiler.fingerprint import host_identity, usable_cores
from evit_nas.tflite.runtime import KernelEvent, Session, open_session, runtime_hash, runtime_version

MAX_RUNS = 2000
STRETCH_S = 0.05
MAX_LOST = 0.03  # share of a stretch that the thread may wait for its core
STAT_TICK_S = 0.01  # what /proc/stat counts in
MAX_BAD_STRETCHES = 6


class HostDevice:
    """A `Device`. Raises InputError where more threads are asked for than there are cores."""

    def __init__(self, *, threads: int = 1, cores: Sequence[int] | None = None) -> None:
        if not 1 <= threads <= usable_cores():
            raise InputError(f"threads {threads}: this machine lets a process use 1 to {usable_cores()} cores")
        self.threads = threads
        self.cores = tuple(cores) if cores is not None else _quietest_cores(threads)
        self._disturbance = ""
        identity = host_identity(runtime_hash())
        self.facts = DeviceFacts(
            conditions=Conditions(device=identity.fingerprint, threads=threads),
            cpu_model=identity.cpu_model,
            host_fingerprint=identity.fingerprint,
            runtime_version=runtime_version(),
            runtime_hash=runtime_hash(),
        )

    def profile(self, model: bytes, *, seconds: float, min_runs: int) -> tuple[KernelEvent, ...]:
        with self._pinned(), Session(model, threads=self.threads, profile=True) as session:
            first = session.profile(1, warmup=0)  # warms up and says how long a run takes
            run_us = sum(float(event.samples_us[0]) for event in first)

            def stretch(runs: int) -> Floats:
                return np.stack([event.samples_us for event in session.profile(runs, warmup=0)], axis=1)

            samples = self._undisturbed(stretch, run_us, seconds, min_runs)
        return tuple(replace(event, samples_us=samples[:, i]) for i, event in enumerate(first))

    def time_us(self, model: bytes, *, seconds: float, min_runs: int) -> Floats:
        with self._pinned(), open_session(model, threads=self.threads) as session:
            run_us = float(session.time_us(1, warmup=0)[0])  # warms up too
            return self._undisturbed(lambda runs: session.time_us(runs, warmup=0), run_us, seconds, min_runs)

    def disturbance(self) -> str:
        return self._disturbance

    @contextmanager
    def _pinned(self) -> Iterator[None]:
        """Threads made inside (the runtime's) inherit the cores."""
        if not hasattr(os, "sched_setaffinity"):
            yield
            return
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, self.cores)
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)

    def _undisturbed(self, stretch: Callable[[int], Floats], run_us: float, seconds: float, min_runs: int) -> Floats:
        """Samples (runs, ...) of short stretches of runs, those left out in which the core was taken away.

        With too few good stretches all are given, and `disturbance` says why they are doubtful.
        """
        wanted = int(np.clip(seconds * 1e6 / max(run_us, 1.0), min_runs, MAX_RUNS))
        at_once = int(np.clip(STRETCH_S * 1e6 / max(run_us, 1.0), 1, wanted))
        good: list[Floats] = []
        bad: list[Floats] = []
        problem = ""
        while sum(map(len, good)) < wanted:
            samples, trouble = self._watched(stretch, at_once)
            (bad if trouble else good).append(samples)
            problem = trouble or problem
            if len(bad) > max(MAX_BAD_STRETCHES, 2 * len(good)):
                self._disturbance = problem
                return np.concatenate([*good, *bad])
        self._disturbance = ""
        return np.concatenate(good)

    def _watched(self, stretch: Callable[[int], Floats], runs: int) -> tuple[Floats, str]:
        """Samples of a stretch and what disturbed it, "" if nothing did."""
        steal, cpu, wall = _steal_s(self.cores), time.thread_time(), time.perf_counter()
        samples = stretch(runs)
        wall = time.perf_counter() - wall
        waited = wall - (time.thread_time() - cpu)
        stolen = (_steal_s(self.cores) - steal) / len(self.cores)
        if self.threads == 1 and waited > MAX_LOST * wall:
            return samples, f"the core was taken away {waited / wall:.0%} of the time"
        if stolen > max(MAX_LOST * wall, 1.5 * STAT_TICK_S):
            return samples, f"the hypervisor took {stolen / wall:.0%} of the time"
        return samples, ""


def _quietest_cores(threads: int) -> tuple[int, ...]:
    """The cores of this process that were idle most over a tenth of a second."""
    if not hasattr(os, "sched_getaffinity"):
        return ()
    cores = sorted(os.sched_getaffinity(0))
    before = {core: _stat(core) for core in cores}
    time.sleep(0.1)
    idle = {core: _stat(core)[3] - before[core][3] for core in cores}
    # the last of equally idle cores: interrupts tend to be served by the first
    return tuple(sorted(cores, key=lambda core: (idle[core], core))[-threads:])


def _steal_s(cores: Sequence[int]) -> float:
    return sum(_stat(core)[7] for core in cores) / os.sysconf("SC_CLK_TCK")


def _stat(core: int) -> tuple[int, ...]:
    """user, nice, system, idle, iowait, irq, softirq, steal of a core in clock ticks; zeros where not to be had."""
    try:
        lines = Path("/proc/stat").read_text().splitlines()
    except OSError:
        return (0,) * 8
    for line in lines:
        name, *values = line.split()
        if name == f"cpu{core}":
            return (*map(int, values), *(0,) * 8)[:8]
    return (0,) * 8
