"""Phone time: simulated, or wall time by a factor."""

from __future__ import annotations

import threading
import time

UPTIME_AT_START_S = 3600.0


class Clock:
    """Seconds since the phone's boot.

    `time_scale` 0: only what the phone does passes time, and it passes at once. Above 0: one phone second takes
    `time_scale` wall seconds.
    """

    def __init__(self, time_scale: float) -> None:
        self.time_scale = time_scale
        self._lock = threading.Lock()
        self._simulated_s = 0.0
        self._origin_s = time.monotonic()
        self._boot_epoch_s = time.time() - UPTIME_AT_START_S

    def now_s(self) -> float:
        """Phone seconds since the phone booted."""
        if self.time_scale > 0:
            return UPTIME_AT_START_S + (time.monotonic() - self._origin_s) / self.time_scale
        with self._lock:
            return UPTIME_AT_START_S + self._simulated_s

    def epoch_s(self) -> float:
        """The phone's idea of the date, in Unix seconds."""
        return self._boot_epoch_s + self.now_s()

    def pass_s(self, seconds: float, wake: threading.Event) -> None:
        """Let phone time pass; `wake` ends the wait early where it takes wall time."""
        if self.time_scale > 0:
            wake.wait(seconds * self.time_scale)
            return
        with self._lock:
            self._simulated_s += seconds
