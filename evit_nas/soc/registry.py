"""The chips of `socs.yaml`, and the one that a user's words or a phone's properties mean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from evit_nas.errors import InputError, nearest

FACTS = ("platforms", "cores", "parts", "clocks", "isa")

PART_NAMES: Mapping[str, str] = {
    "41:d03": "Cortex-A53", "41:d05": "Cortex-A55", "41:d09": "Cortex-A73", "41:d0b": "Cortex-A76",
    "41:d0d": "Cortex-A77", "41:d41": "Cortex-A78", "41:d44": "Cortex-X1", "41:d46": "Cortex-A510",
    "41:d47": "Cortex-A710", "41:d48": "Cortex-X2", "41:d4d": "Cortex-A715", "41:d4e": "Cortex-X3",
    "41:d80": "Cortex-A520", "41:d81": "Cortex-A720", "41:d82": "Cortex-X4",
    "51:800": "Kryo 2xx Gold", "51:801": "Kryo 2xx Silver", "51:802": "Kryo 3xx Gold", "51:803": "Kryo 3xx Silver",
    "51:804": "Kryo 4xx Gold", "51:805": "Kryo 4xx Silver", "51:001": "Oryon", "51:002": "Oryon v3",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """Cores of one kind. `part`: implementer:part of /proc/cpuinfo, in hexadecimal without 0x."""

    role: str
    cores: tuple[int, ...]
    part: str
    peak_khz: int

    @property
    def part_name(self) -> str:
        return PART_NAMES.get(self.part, self.part)

    @property
    def mask(self) -> int:
        """Affinity mask, bit n for cpu n."""
        return sum(1 << core for core in self.cores)


@dataclass(frozen=True, kw_only=True, slots=True)
class Soc:
    """One chip. `verified` holds those of FACTS that a public source shows; the others are from memory or the press."""

    model: str
    name: str
    platforms: tuple[str, ...]
    clusters: tuple[Cluster, ...]
    isa: tuple[str, ...]
    verified: frozenset[str]

    @property
    def id(self) -> str:
        """The name that devices and tables use: `sm8450`."""
        return self.model.lower()

    @property
    def prime(self) -> Cluster:
        """The cluster with the highest clock."""
        return max(self.clusters, key=lambda cluster: cluster.peak_khz)


@cache
def socs() -> tuple[Soc, ...]:
    """Every chip of the registry, in its order."""
    text = resources.files("evit_nas.soc").joinpath("socs.yaml").read_text(encoding="utf-8")
    return tuple(_soc(entry) for entry in yaml.safe_load(text))


def _soc(entry: Mapping[str, Any]) -> Soc:
    return Soc(
        model=entry["model"],
        name=entry["name"],
        platforms=tuple(entry["platforms"]),
        clusters=tuple(Cluster(**{**cluster, "cores": tuple(cluster["cores"])}) for cluster in entry["clusters"]),
        isa=tuple(entry["isa"]),
        verified=frozenset(entry["verified"]),
    )


def resolve(text: str) -> Soc:
    """The chip that `sm8450`, `8gen1`, `Snapdragon 8 Gen 1` or an unambiguous platform name means.

    Raises InputError: no chip, or a platform that several chips share (`taro` is three).
    """
    word = _key(text)
    for soc in socs():
        if word in _names(soc):
            return soc
    sharing = [soc for soc in socs() if word in soc.platforms]
    if len(sharing) == 1:
        return sharing[0]
    if sharing:
        raise InputError(_ambiguous(text, sharing))
    valid = sorted(name for soc in socs() for name in (soc.id, _key(soc.name)))
    raise InputError(f"SoC {text!r}: not known; {nearest(word, valid)}")


def resolve_device(properties: Mapping[str, str], cpuinfo_hardware: str | None = None) -> Soc:
    """The chip of a phone, from its properties (`ro.soc.model`, else `ro.board.platform`) and /proc/cpuinfo Hardware.

    Raises InputError: none of them names one chip of the registry.
    """
    told = [properties.get("ro.soc.model", ""), *re.findall(r"\bS[DM]M?\d{3,4}\b", cpuinfo_hardware or "")]
    told += [properties.get("ro.board.platform", ""), properties.get("ro.hardware", "")]
    failure: InputError | None = None
    for text in filter(None, told):
        try:
            return resolve(text)
        except InputError as error:
            failure = failure or error
    raise failure or InputError("the phone names no SoC (ro.soc.model, ro.board.platform and Hardware are all empty)")


def differences(soc: Soc, observed: Iterable[Cluster]) -> tuple[str, ...]:
    """Where the clusters that a phone's sysfs shows differ from the registry, one sentence each; clocks within 2 %."""
    found = {core: cluster for cluster in observed for core in cluster.cores}
    known = {core: cluster for cluster in soc.clusters for core in cluster.cores}
    if sorted(found) != sorted(known):
        return (f"{soc.model}: the phone has cpus {sorted(found)}, the registry {sorted(known)}",)
    told = []
    for core, cluster in known.items():
        seen = found[core]
        if seen.part != cluster.part:
            told.append(f"{soc.model} cpu{core}: the phone says {seen.part_name}, the registry {cluster.part_name}")
        if abs(seen.peak_khz - cluster.peak_khz) > 0.02 * cluster.peak_khz:
            told.append(f"{soc.model} cpu{core}: the phone says {seen.peak_khz} kHz, the registry {cluster.peak_khz}")
    return tuple(told)


def _key(text: str) -> str:
    """`Snapdragon 8+ Gen 1`, `8 plus gen1` and `8+gen1` are one word."""
    word = text.lower().replace("qualcomm", "").replace("snapdragon", "").replace("plus", "+")
    return re.sub(r"[^a-z0-9+]", "", word)


def _names(soc: Soc) -> tuple[str, ...]:
    return soc.id, _key(soc.name), soc.id.removeprefix("sm").removeprefix("sdm")


def _ambiguous(text: str, sharing: list[Soc]) -> str:
    number = {2: "two", 3: "three", 4: "four"}.get(len(sharing), str(len(sharing)))
    chips = ", ".join(f"{soc.id} ({soc.name.removeprefix('Snapdragon ')})" for soc in sharing)
    return f"SoC {text!r}: {number} chips share this platform name: {chips}; name one of them"
