"""Heat as seconds of work: what warms a phone, cools it again, and makes it throttle."""

from __future__ import annotations

import threading

_COOLING_PER_S = 1.0  # an idle second undoes a busy one
_HOTTEST = 1.2  # share of `after_s` beyond which it gets no hotter
_RELEASE = 0.5  # throttled until this share of `after_s`
_WARM_AFTER_S = 300.0  # without throttling: the time scale of the readings


class Heat:
    """`after_s` None: the phone warms a little and never throttles."""

    def __init__(self, after_s: float | None, now_s: float) -> None:
        self._after_s = after_s
        self._level_s = 0.0
        self._time_s = now_s
        self._throttled = False
        self._lock = threading.Lock()

    def work(self, seconds: float, now_s: float) -> None:
        """Count `seconds` of work that ended at `now_s`."""
        with self._lock:
            self._cool(now_s - seconds)
            self._time_s = max(now_s, self._time_s)
            limit_s = _WARM_AFTER_S if self._after_s is None else _HOTTEST * self._after_s
            self._level_s = min(self._level_s + seconds, limit_s)
            if self._after_s is not None and self._level_s >= self._after_s:
                self._throttled = True

    def throttled(self, now_s: float) -> bool:
        with self._lock:
            self._cool(now_s)
            return self._throttled

    def until_throttled_s(self, now_s: float) -> float:
        """Seconds of work until it throttles; infinite where it does not or does already."""
        with self._lock:
            self._cool(now_s)
            if self._after_s is None or self._throttled:
                return float("inf")
            return self._after_s - self._level_s

    def level(self, now_s: float) -> float:
        """0 cold, 1 where throttling starts."""
        with self._lock:
            self._cool(now_s)
            return self._level_s / (4 * _WARM_AFTER_S if self._after_s is None else self._after_s)

    def _cool(self, now_s: float) -> None:
        idle_s = now_s - self._time_s
        if idle_s <= 0:
            return
        self._time_s = now_s
        self._level_s = max(self._level_s - _COOLING_PER_S * idle_s, 0.0)
        if self._after_s is None or self._level_s <= _RELEASE * self._after_s:
            self._throttled = False
