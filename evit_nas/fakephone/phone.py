"""The state of one fake phone: chip, clock, heat, faults, files, settings, processes."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Sequence

from evit_nas.fakephone.clock import Clock
from evit_nas.fakephone.cost_model import CostModel
from evit_nas.fakephone.faults import LINK_FAULTS, Fault, Schedule
from evit_nas.fakephone.filesystem import FileSystem
from evit_nas.fakephone.heat import Heat
from evit_nas.fakephone.kernel_files import kernel_files
from evit_nas.fakephone.process import Process
from evit_nas.fakephone.program import Program
from evit_nas.fakephone.properties import default_settings, properties_of
from evit_nas.soc.registry import Cluster, Soc

LINK_BYTES_PER_S = 30e6
SLOW_LINK_BYTES_PER_S = 0.5e6
COMMAND_S = 0.015  # what one adb command takes
_SLOW_COMMAND_S = 0.2
_THROTTLED, _CAPPED, _CROWDED = 1.6, 1 / 0.6, 1.5
_HANG_STEP_S = 0.02
_SLICE_WALL_S = 0.05  # how late a kill may be noticed

# work per cycle against the chip's fastest core; orders of magnitude, no measurement
_WORK_PER_CYCLE = {
    "41:d03": 0.2, "41:d05": 0.25, "41:d46": 0.3, "41:d80": 0.3, "51:801": 0.2, "51:803": 0.25, "51:805": 0.25,
    "41:d41": 0.75, "41:d47": 0.7, "41:d4d": 0.75, "41:d81": 0.8, "51:804": 0.8,
}  # fmt: skip


class Phone:
    """Thread-safe. Times of the cost model hold on the fastest core at its peak clock."""

    def __init__(
        self, soc: Soc, model: CostModel, faults: Sequence[Fault] = (), time_scale: float = 0.0, build: str = "1"
    ) -> None:
        self.soc, self.model = soc, model
        self.clock = Clock(time_scale)
        self.properties = properties_of(soc, build)
        self.settings = default_settings()
        self.fixed_performance = False
        self.stay_on = False
        self.airplane = False
        self.heat = Heat(None if model.throttle is None else model.throttle.after_s, self.clock.now_s())
        self.files = FileSystem(lambda pid: kernel_files(self, pid), self.clock.epoch_s, self._refusal)
        self.processes: dict[int, Process] = {}
        self.on_link_fault: Callable[[], None] = lambda: None
        self.emulator: Program | None = None  # runs programs that were pushed, where there is one
        self._process_lock = threading.Lock()
        self._schedule = Schedule(faults, self.clock.now_s(), self._opened)
        self._schedule.spend(None, 0.0, self.clock.now_s())

    # --- faults

    def faulty(self, name: str, phase: str | None = None) -> bool:
        """Whether a fault of that name is on now; `phase`: only those that concern it."""
        return self._schedule.active(name, self.clock.now_s(), phase)

    def link_fault(self) -> str | None:
        """Why nothing can reach the phone now, None where it can."""
        return next((name for name in LINK_FAULTS if self.faulty(name)), None)

    def disk_full(self) -> bool:
        return self.faulty("disk-full")

    def _refusal(self) -> int:
        if self.faulty("read-only"):
            return errno.EROFS
        return errno.ENOSPC if self.faulty("disk-full") else 0

    def _opened(self, name: str) -> None:
        if name in LINK_FAULTS:
            self.on_link_fault()

    # --- time

    def spend(self, process: Process, seconds: float, phase: str, busy: bool = False) -> None:
        """Let `process` take phone time in `phase`; faults open on the way. Raises Ended.

        `busy`: a core works and warms the phone.
        """
        left_s = seconds
        while left_s > 1e-12:
            now_s = self.clock.now_s()
            process.check(now_s)
            slice_s = _SLICE_WALL_S / self.clock.time_scale if self.clock.time_scale > 0 else left_s
            step_s = min(left_s, slice_s, self._schedule.until_change_s(phase, now_s) + 1e-6, process.limit_s() - now_s)
            self.clock.pass_s(max(step_s, 1e-9), process.killed)
            if busy:
                self.heat.work(step_s * (0.5 if self.fixed_performance else 1.0), self.clock.now_s())
            self._schedule.spend(phase, step_s, self.clock.now_s())
            left_s -= step_s
        process.check(self.clock.now_s())

    def enter(self, phase: str) -> None:
        """Begin something of that phase: faults without delay open now."""
        self._schedule.spend(phase, 0.0, self.clock.now_s())

    def hang(self, process: Process) -> None:
        """Never return; raises Ended once the process is killed or its limit has come."""
        while True:
            process.check(self.clock.now_s())
            limit_s = process.limit_s()
            if self.clock.time_scale == 0 and limit_s < float("inf"):
                self.clock.pass_s(max(limit_s - self.clock.now_s(), 0.0), process.killed)
                continue
            process.killed.wait(_HANG_STEP_S)
            if process.parent is not None and process.parent.killed.is_set():
                process.kill(process.parent.signal)

    def command(self, process: Process) -> None:
        """The time that one adb command takes to begin."""
        self.spend(process, _SLOW_COMMAND_S if self.faulty("slow-link") else COMMAND_S, "shell")

    def transfer(self, process: Process, size_bytes: int, phase: str) -> None:
        """The time that bytes take on the cable."""
        rate = SLOW_LINK_BYTES_PER_S if self.faulty("slow-link") else LINK_BYTES_PER_S
        self.spend(process, size_bytes / rate, phase)

    def tick(self, wall_s: float) -> None:
        """What happens by itself: a phone that nothing can reach has its time pass by the wall."""
        if self.clock.time_scale == 0 and self.link_fault() is not None:
            self.clock.pass_s(wall_s, threading.Event())
        self._schedule.spend(None, 0.0, self.clock.now_s())

    # --- processes

    def start(self, name: str, parent: Process | None = None) -> Process:
        """A new process; it inherits the cores of its parent."""
        process = Process(name, self.all_cores_mask() if parent is None else parent.mask, parent)
        with self._process_lock:
            self.processes[process.pid] = process
        return process

    def finish(self, process: Process) -> None:
        with self._process_lock:
            self.processes.pop(process.pid, None)

    def running(self) -> list[Process]:
        with self._process_lock:
            return sorted(self.processes.values(), key=lambda process: process.pid)

    # --- cores

    def cluster_of(self, core: int) -> Cluster:
        return next(cluster for cluster in self.soc.clusters if core in cluster.cores)

    def all_cores_mask(self) -> int:
        return sum(cluster.mask for cluster in self.soc.clusters)

    def online_cores(self) -> list[int]:
        off = self.soc.prime.cores if self.faulty("prime-core-off") else ()
        return [core for cluster in self.soc.clusters for core in cluster.cores if core not in off]

    def limit_khz(self, core: int) -> int:
        """The clock that the core may have now: heat and limits lower it."""
        return int(self.cluster_of(core).peak_khz / self._clock_divisor())

    def throttled(self) -> bool:
        return self.faulty("throttled") or self.heat.throttled(self.clock.now_s())

    def _clock_divisor(self) -> float:
        divisor = _THROTTLED if self.faulty("throttled") else 1.0
        if self.model.throttle is not None and self.heat.throttled(self.clock.now_s()):
            divisor *= self.model.throttle.factor
        return divisor * (_CAPPED if self.faulty("capped-clock") else 1.0)

    def crowded(self) -> bool:
        return self.faulty("second-user")

    def slowdown(self, mask: int, threads: int) -> float:
        """Factor on the cost model's times for `threads` on the online cores of `mask`."""
        allowed = [core for core in self.online_cores() if mask >> core & 1] or self.online_cores()
        speeds = sorted((self.core_speed(core) for core in allowed), reverse=True)[: max(threads, 1)]
        speed = speeds[0] + 0.8 * sum(speeds[1:])
        return self._clock_divisor() * (_CROWDED if self.crowded() else 1.0) / speed

    def core_speed(self, core: int) -> float:
        """Against the fastest core, both at their peak clocks."""
        cluster, prime = self.cluster_of(core), self.soc.prime
        per_cycle = _WORK_PER_CYCLE.get(cluster.part, 1.0) / _WORK_PER_CYCLE.get(prime.part, 1.0)
        return per_cycle * cluster.peak_khz / prime.peak_khz

    # --- heat

    def temperatures_c(self) -> dict[str, float]:
        """Degrees by sensor: cpu, skin, battery."""
        level = self.heat.level(self.clock.now_s())
        extra = 18.0 if self.faulty("hot") else 10.0 if self.faulty("throttled") else 0.0
        return {"cpu": 38 + 40 * level + extra, "skin": 30 + 12 * level + extra, "battery": 28 + 6 * level + extra / 2}

    def thermal_status(self) -> int:
        """Android's scale: 0 none, 1 light, 2 moderate, 3 severe."""
        if self.throttled():
            return 3
        return 2 if self.faulty("hot") else int(self.heat.level(self.clock.now_s()) >= 0.8)
