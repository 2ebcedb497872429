"""Which machine this is: timings belong to a processor and a runtime, not to the word `host`."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CPUINFO_KEYS = ("vendor_id", "cpu family", "model", "stepping", "flags", "CPU implementer", "CPU part", "Features")
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


@dataclass(frozen=True, kw_only=True, slots=True)
class HostIdentity:
    """`fingerprint` is `host-` and 12 hex digits; `description` is for people."""

    fingerprint: str
    cpu_model: str
    description: str
    cores: int


def host_identity(
    runtime_hash: str, *, cpuinfo: str | None = None, caches: Mapping[str, str] | None = None
) -> HostIdentity:
    """CPU vendor, family, model, stepping, flags and caches together with the runtime's hash.

    `cpuinfo` (text of /proc/cpuinfo) and `caches` (name -> size) are read from this machine unless given.
    """
    facts = _cpu_facts(_read(Path("/proc/cpuinfo")) if cpuinfo is None else cpuinfo)
    sizes = dict(_cache_sizes() if caches is None else caches)
    named = {key: facts[key] for key in CPUINFO_KEYS if key in facts} or _without_cpuinfo()
    named["flags"] = " ".join(sorted(named.get("flags", "").split()))
    text = "\n".join(f"{key}={value}" for key, value in sorted({**named, **sizes}.items()))
    digest = hashlib.sha256(f"{text}\nruntime={runtime_hash}".encode()).hexdigest()[:12]
    model = facts.get("model name") or platform.processor() or platform.machine()
    cores = usable_cores()
    shown = ", ".join(f"{name} {size}" for name, size in sorted(sizes.items()))
    return HostIdentity(
        fingerprint=f"host-{digest}",
        cpu_model=model,
        description=f"{model}, {cores} cores" + (f", {shown}" if shown else ""),
        cores=cores,
    )


def host_fingerprint() -> str:
    """The fingerprint of this machine with the installed runtime, as tables are filed under."""
    from evit_nas.tflite.capi import runtime_hash

    return host_identity(runtime_hash()).fingerprint


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def _cpu_facts(cpuinfo: str) -> dict[str, str]:
    """Keys and values of the first processor in /proc/cpuinfo."""
    first = cpuinfo.split("\n\n", 1)[0]
    pairs = (line.partition(":") for line in first.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _cache_sizes() -> dict[str, str]:
    sizes = {}
    for index in sorted(CACHES.glob("index*")):
        level, kind, size = (_read(index / name).strip() for name in ("level", "type", "size"))
        if size:
            sizes[f"L{level} {kind.lower()}"] = size
    return sizes


def _without_cpuinfo() -> dict[str, str]:
    return {"vendor_id": platform.processor(), "model": platform.machine(), "cpu family": platform.system()}


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
