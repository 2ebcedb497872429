"""This machine, through the LiteRT C API, pinned to one core for each thread."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from evit_nas.errors import InputError
from evit_nas.latency.measurement import Conditions
from evit_nas.latency.profiler.devices.base import DeviceFacts, Floats
from evit_nas.latency.profiler.fingerprint import host_identity, usable_cores
from evit_nas.tflite.runtime import KernelEvent, Session, open_session, runtime_hash, runtime_version

WARMUP = 1
MAX_RUNS = 2000
MIN_OCCUPANCY = 0.96  # CPU time over wall time of a timed stretch: below, the thread had to wait for its core
MAX_STEAL = 0.02  # share of the time that the hypervisor gave to somebody else


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
        with self._pinned(), Session(model, threads=self.threads, profile=True) as session, self._watched():
            first = session.profile(1, warmup=WARMUP)
            more = _runs(sum(float(event.samples_us[0]) for event in first), seconds, min_runs) - 1
            rest = session.profile(more, warmup=0)
        return tuple(
            replace(event, samples_us=np.concatenate([event.samples_us, later.samples_us]))
            for event, later in zip(first, rest, strict=True)
        )

    def time_us(self, model: bytes, *, seconds: float, min_runs: int) -> Floats:
        with self._pinned(), open_session(model, threads=self.threads) as session, self._watched():
            first = session.time_us(1, warmup=WARMUP)
            more = _runs(float(first[0]), seconds, min_runs) - 1
            return np.concatenate([first, session.time_us(more, warmup=0)])

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

    @contextmanager
    def _watched(self) -> Iterator[None]:
        steal, cpu, wall = _steal_s(self.cores), time.thread_time(), time.perf_counter()
        yield
        wall = time.perf_counter() - wall
        occupancy = (time.thread_time() - cpu) / wall
        stolen = (_steal_s(self.cores) - steal) / (wall * len(self.cores))
        self._disturbance = ""
        if self.threads == 1 and occupancy < MIN_OCCUPANCY:
            self._disturbance = f"the core was taken away {1 - occupancy:.0%} of the time"
        elif stolen > max(MAX_STEAL, 0.015 / wall):  # /proc/stat counts in steps of 10 ms
            self._disturbance = f"the hypervisor took {stolen:.0%} of the time"


def _runs(run_us: float, seconds: float, min_runs: int) -> int:
    return int(np.clip(seconds * 1e6 / max(run_us, 1.0), min_runs, MAX_RUNS))


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
