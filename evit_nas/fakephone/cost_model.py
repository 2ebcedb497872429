"""What an operator costs on the fake phone: a JSON file, one flat object of kinds and globals."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evit_nas.errors import InputError, nearest

KINDS = (
    "conv_1x1",
    "conv",
    "depthwise_conv",
    "fully_connected",
    "batch_matmul",
    "elementwise",
    "resize",
    "data_movement",
    "other",
)
_COSTS = ("fixed_us", "per_mac_ns", "per_byte_ns")
_NUMBERS = {
    "cache_bytes": "bytes of one kernel from which cache_penalty holds",
    "cache_penalty": "factor on per_byte_ns beyond cache_bytes",
    "noise_sd": "relative spread of one inference; a process as a whole is off by half as much",
    "channel_step": "channels are rounded up to a multiple before counting",
    "cold": "ns per byte more for a kernel alone in its model",
    "graph_us": "microseconds once per run",
}
GLOBALS = (*_NUMBERS, "throttle")


@dataclass(frozen=True, kw_only=True, slots=True)
class KindCost:
    """fixed_us + macs * per_mac_ns / 1000 + bytes * per_byte_ns / 1000, in microseconds."""

    fixed_us: float
    per_mac_ns: float
    per_byte_ns: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Throttle:
    """After `after_s` seconds of work the clock falls; times are multiplied by `factor` (1 or more)."""

    after_s: float
    factor: float


@dataclass(frozen=True, kw_only=True, slots=True)
class CostModel:
    """Times on the phone's fastest core at its peak clock, one thread. A global left out has no effect."""

    kinds: Mapping[str, KindCost]
    cache_bytes: float = math.inf
    cache_penalty: float = 1.0
    noise_sd: float = 0.0
    channel_step: int = 1
    cold: float = 0.0
    graph_us: float = 0.0
    throttle: Throttle | None = None

    def kernel_us(self, kind: str, macs: int, size_bytes: int, alone: bool) -> float:
        """Time of one kernel that moves `size_bytes` (inputs, outputs and weights); `alone` in its model."""
        cost = self.kinds[kind]
        per_byte_ns = cost.per_byte_ns * (self.cache_penalty if size_bytes > self.cache_bytes else 1.0)
        per_byte_ns += self.cold if alone else 0.0
        return cost.fixed_us + (macs * cost.per_mac_ns + size_bytes * per_byte_ns) / 1000.0


# In the range of one X2 core with XNNPACK, float32; no phone was measured for it.
DEFAULT = CostModel(
    kinds={
        "conv_1x1": KindCost(fixed_us=3.0, per_mac_ns=0.022, per_byte_ns=0.03),
        "conv": KindCost(fixed_us=5.0, per_mac_ns=0.026, per_byte_ns=0.04),
        "depthwise_conv": KindCost(fixed_us=3.0, per_mac_ns=0.06, per_byte_ns=0.05),
        "fully_connected": KindCost(fixed_us=2.0, per_mac_ns=0.025, per_byte_ns=0.05),
        "batch_matmul": KindCost(fixed_us=4.0, per_mac_ns=0.03, per_byte_ns=0.06),
        "elementwise": KindCost(fixed_us=2.0, per_mac_ns=0.0, per_byte_ns=0.06),
        "resize": KindCost(fixed_us=3.0, per_mac_ns=0.0, per_byte_ns=0.12),
        "data_movement": KindCost(fixed_us=2.0, per_mac_ns=0.0, per_byte_ns=0.09),
        "other": KindCost(fixed_us=3.0, per_mac_ns=0.0, per_byte_ns=0.15),
    },
    cache_bytes=4 << 20,
    cache_penalty=1.3,
    noise_sd=0.01,
    channel_step=4,
    cold=0.01,
    graph_us=8.0,
    throttle=Throttle(after_s=240.0, factor=1.3),
)


def read_cost_model(path: Path) -> CostModel:
    """The cost model of a JSON file. Raises InputError."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error})") from None
    return cost_model_from(document, str(path))


def cost_model_from(document: object, source: str) -> CostModel:
    """The cost model of a decoded JSON object. Raises InputError: a kind missing, an unknown key, no number."""
    if not isinstance(document, dict):
        raise InputError(f"{source}: must be one JSON object with the keys {', '.join(KINDS)}")
    for key in document:
        if key not in (*KINDS, *GLOBALS):
            raise InputError(f"{source}: unknown key {key!r}; {nearest(key, (*KINDS, *GLOBALS))}")
    missing = [kind for kind in KINDS if kind not in document]
    if missing:
        raise InputError(f"{source}: no cost for {', '.join(missing)}; each kind needs {', '.join(_COSTS)}")
    kinds = {kind: KindCost(**_numbers(document[kind], _COSTS, f"{source}: {kind}")) for kind in KINDS}
    given: dict[str, Any] = {key: _number(document[key], f"{source}: {key}") for key in _NUMBERS if key in document}
    if "channel_step" in given:
        given["channel_step"] = _whole(given["channel_step"], f"{source}: channel_step")
    if "throttle" in document:
        given["throttle"] = _throttle(document["throttle"], f"{source}: throttle")
    return CostModel(kinds=kinds, **given)


def _throttle(value: object, where: str) -> Throttle:
    numbers = _numbers(value, ("after_s", "factor"), where)
    factor = numbers["factor"]
    if factor == 0 or numbers["after_s"] == 0:
        raise InputError(f"{where}: after_s and factor must be above 0")
    # throttling never makes a phone faster: a factor below 1 is that share of the clock
    return Throttle(after_s=numbers["after_s"], factor=factor if factor >= 1 else 1 / factor)


def _numbers(value: object, keys: tuple[str, ...], where: str) -> dict[str, float]:
    if not isinstance(value, dict) or set(value) != set(keys):
        raise InputError(f"{where}: must be an object with exactly {', '.join(keys)}")
    return {key: _number(value[key], f"{where}: {key}") for key in keys}


def _number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise InputError(f"{where}: {value!r} is not a finite number, 0 or more")
    return float(value)


def _whole(value: float, where: str) -> int:
    if value < 1 or value != int(value):
        raise InputError(f"{where}: {value!r} is not a whole number, 1 or more")
    return int(value)
