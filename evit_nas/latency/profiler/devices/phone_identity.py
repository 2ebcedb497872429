"""Which phone this is: properties, cores as its sysfs shows them, build. All of it readable without root."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from evit_nas.errors import DeviceError, InputError
from evit_nas.latency.profiler.devices.adb import Adb
from evit_nas.soc.registry import Cluster, Soc, differences, resolve_device

CPU = "/sys/devices/system/cpu"
SIMULATED = "evit-nas/fake"  # how the build fingerprint of a stand-in starts
EMULATED = ("ro.boot.qemu", "ro.kernel.qemu")  # "1" on Android's emulator
EMULATION = "an emulator: its times are those of emulation on a PC and say nothing of any chip"
_MASK = re.compile(r"(0x)?[0-9a-fA-F]{1,8}")
_PROPERTY = re.compile(r"^\[(?P<name>[^\]]+)\]: \[(?P<value>.*)\]$", re.MULTILINE)
_PART = re.compile(
    r"^processor\s*:\s*(?P<core>\d+)$.*?^CPU implementer\s*:\s*0x(?P<maker>\w+)$.*?^CPU part\s*:\s*0x(?P<part>\w+)$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PhoneIdentity:
    """A phone as it describes itself. `soc` is None where the registry does not know the chip, `soc_problem` then says
    why; `contradictions` are those between the phone's sysfs, which wins, and the registry; `emulated`: a PC
    computes, there is no such chip."""

    serial: str
    model: str
    build: str
    android: str
    soc: Soc | None
    soc_problem: str
    clusters: tuple[Cluster, ...]
    offline: tuple[int, ...]
    governor: str
    contradictions: tuple[str, ...]
    emulated: bool

    @property
    def simulated(self) -> bool:
        """A stand-in, or an emulator: its times say nothing of any chip."""
        return self.emulated or self.build.startswith(SIMULATED)

    @property
    def device(self) -> str:
        """The name that its tables lie under: the chip, else the phone's model."""
        if self.soc is not None:
            return self.soc.id
        return re.sub(r"[^a-z0-9]+", "-", self.model.lower()).strip("-") or "phone"

    def fingerprint(self, *parts: str) -> str:
        """`phone-` and 12 hex digits of the build, the serial and `parts`."""
        text = "\n".join((self.build, *((self.serial,) if not self.simulated else ()), *parts))
        return f"phone-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def identify(adb: Adb) -> PhoneIdentity:
    """Ask the phone who it is. Raises LinkError, or DeviceError where it does not say which cores it has."""
    properties = dict(_PROPERTY.findall(adb.shell(["getprop"]).out))
    cpuinfo = adb.shell(["cat", "/proc/cpuinfo"]).out
    clusters = _clusters(adb, cpuinfo)
    soc, problem = _soc(properties, cpuinfo)
    if soc is not None:
        clusters = tuple(replace(cluster, role=_registered_role(cluster, soc)) for cluster in clusters)
    prime = max(clusters, key=lambda cluster: cluster.peak_khz)
    return PhoneIdentity(
        serial=adb.serial,
        model=properties.get("ro.product.model", "").strip() or "phone",
        build=properties.get("ro.build.fingerprint", ""),
        android=properties.get("ro.build.version.release", ""),
        soc=soc,
        soc_problem=problem,
        clusters=clusters,
        offline=_offline(adb, clusters),
        governor=adb.shell(["cat", f"{CPU}/cpu{prime.cores[0]}/cpufreq/scaling_governor"]).out.strip(),
        contradictions=differences(soc, clusters) if soc is not None else (),
        emulated=any(properties.get(name) == "1" for name in EMULATED),
    )


def _soc(properties: Mapping[str, str], cpuinfo: str) -> tuple[Soc | None, str]:
    hardware = re.search(r"^Hardware\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    try:
        return resolve_device(properties, hardware[1] if hardware else None), ""
    except InputError as error:
        return None, str(error)


def _clusters(adb: Adb, cpuinfo: str) -> tuple[Cluster, ...]:
    """Cores by equal peak clock and part, from slow to fast by role."""
    parts = {int(m["core"]): f"{m['maker'].lower()}:{m['part'].lower()}" for m in _PART.finditer(cpuinfo)}
    peaks = _peaks(adb, sorted(parts))
    if not peaks:
        raise DeviceError(f"{adb.serial}: {CPU}/cpu*/cpufreq cannot be read; choose cores with --core MASK")
    groups: dict[tuple[int, str], list[int]] = {}
    for core, khz in peaks.items():
        groups.setdefault((khz, parts[core]), []).append(core)
    ordered = sorted(groups)
    return tuple(
        Cluster(role=_role(i, len(ordered)), cores=tuple(groups[key]), part=key[1], peak_khz=key[0])
        for i, key in enumerate(ordered)
    )


def _offline(adb: Adb, clusters: tuple[Cluster, ...]) -> tuple[int, ...]:
    """Cores that the kernel knows and that are switched off now."""
    possible = cpu_list(adb.shell(["cat", f"{CPU}/possible"]).out.strip())
    return tuple(sorted(possible - {core for cluster in clusters for core in cluster.cores}))


def cpu_list(text: str) -> set[int]:
    """The cores of `0-3,7`, as the kernel writes them; none for another text."""
    if not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", text):
        return set()
    pieces = (piece.partition("-") for piece in text.split(","))
    return {core for first, _, last in pieces for core in range(int(first), int(last or first) + 1)}


def _peaks(adb: Adb, cores: list[int]) -> dict[int, int]:
    """Peak clock of each core in kHz, those that are online."""
    commands = [["cat", f"{CPU}/cpu{core}/cpufreq/cpuinfo_max_freq"] for core in cores]
    asked = "; ".join(f"echo {core}=$({' '.join(command)})" for core, command in zip(cores, commands, strict=True))
    found = re.findall(r"^(\d+)=(\d+)$", adb.script(asked).out, re.MULTILINE)
    return {int(core): int(khz) for core, khz in found}


def _role(place: int, count: int) -> str:
    """The slowest cluster is little, the fastest prime, what is between big; two clusters are little and prime."""
    if place == count - 1:
        return "prime"
    return "little" if place == 0 else "big"


def _registered_role(cluster: Cluster, soc: Soc) -> str:
    """The registry's word for these cores, the one by clock where it does not know them."""
    known = next((own for own in soc.clusters if cluster.cores[0] in own.cores), None)
    return cluster.role if known is None else known.role


def known_choice(core: str) -> str | None:
    """A table's cores as a choice for `core_mask`; None, the default, for the words of calibrated and public tables."""
    word = core.removeprefix("mask")
    return word if core in ("prime", "big", "little", "fast", "any") or word != core else None


def core_mask(identity: PhoneIdentity, core: str | None, threads: int) -> tuple[str, int]:
    """Name and affinity mask of a choice of cores: `prime` (default), `big`, `little`, `any` (0: unpinned) or a
    hexadecimal mask. Raises InputError: an unknown word, a core that the phone lacks, more threads than cores."""
    own = {cpu for cluster in identity.clusters for cpu in cluster.cores}
    wanted = core or ("prime" if threads == 1 else "fast")
    if wanted == "prime":  # chips of two clusters have none, their fastest is called big
        wanted = max(identity.clusters, key=lambda cluster: cluster.peak_khz).role
    if wanted == "any":
        return "any", 0
    if identity.offline and not _MASK.fullmatch(wanted):  # which cluster is the prime one cannot be told
        raise DeviceError(
            f"{identity.serial}: cores {list(identity.offline)} are off; let it cool, end its power saver or restart "
            "it, or choose cores by a mask with --core"
        )
    roles = {cluster.role for cluster in identity.clusters}
    if wanted in roles or wanted == "fast":
        chosen = [c for c in identity.clusters if c.role == wanted or (wanted == "fast" and c.role != "little")]
        mask = sum(cluster.mask for cluster in chosen)
    elif _MASK.fullmatch(wanted):
        mask = int(wanted, 16)
    else:
        raise InputError(f"--core {wanted!r}: valid: {', '.join(sorted(roles))}, fast, any, or a mask such as 80")
    cores = [cpu for cpu in range(64) if mask >> cpu & 1]
    if not cores or not own.issuperset(cores):
        raise InputError(f"--core {wanted}: the phone's online cores are {sorted(own)}")
    if threads > len(cores):
        raise InputError(f"--threads {threads}: --core {wanted} has {len(cores)} core{'s' if len(cores) > 1 else ''}")
    return (wanted if wanted in roles or wanted == "fast" else f"mask{mask:x}"), mask
