"""From a device's name to the predictor of its table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from evit_nas.errors import TableError
from evit_nas.graph.emit import emit
from evit_nas.graph.fuse import fuse
from evit_nas.graph.kernel import KernelGraph
from evit_nas.graph.lowering import Lowering
from evit_nas.latency.predictor.base import LatencyPredictor
from evit_nas.latency.profiler.fingerprint import host_fingerprint
from evit_nas.latency.table.compare import differing_conditions, merge_tables
from evit_nas.latency.table.find import check_given, find_table, find_tables
from evit_nas.latency.table.networks import load_networks
from evit_nas.latency.table.store import Table, load_table
from evit_nas.space.arch import ArchConfig, Resolution

HOST = "host"


@dataclass(frozen=True, kw_only=True)
class DeviceModel:
    """A device's table and the predictor fitted on it."""

    device: str
    table: Table
    predictor: LatencyPredictor
    networks: int  # whole networks timed beside the table

    @property
    def path(self) -> Path:
        assert self.table.path is not None
        return self.table.path


def device_id(device: str) -> str:
    """`host` is no identity: it stands for this machine's fingerprint."""
    return host_fingerprint() if device == HOST else device


def open_device(device: str, *, tables: Path | None = None, threads: int = 1, merge: bool = False) -> DeviceModel:
    """The predictor of `device`. Raises TableError where there is no table of it, naming what to do.

    `merge`: rows of all its tables for the same conditions together, the strongest provenance first.
    """
    from evit_nas.latency.predictor.fit import fit_predictor

    check_given(tables)
    identity = device_id(device)
    try:
        path = find_table(identity, tables, threads=threads)
    except TableError as error:
        if device != HOST:
            raise
        profile = f"evit-nas profile --device host{'' if threads == 1 else f' --threads {threads}'}"
        raise TableError(f"this machine ({identity}) has no latency table; run {profile} ({error})") from None
    table = _merged(identity, path, tables) if merge else load_table(path)
    networks = () if table.provenance.calibration is not None else load_networks(path)
    return DeviceModel(device=identity, table=table, predictor=fit_predictor(table, networks), networks=len(networks))


def _merged(device: str, path: Path, tables: Path | None) -> Table:
    """The table at `path` together with the device's others of the same conditions; the path is that of the rows."""
    own, ending = load_table(path), path.stem.rpartition("-t")[2]
    others = (other for other in find_tables(device, tables, merge=True) if other != path)
    loaded = [load_table(other) for other in others if other.stem.rpartition("-t")[2] == ending]
    same = [own, *(table for table in loaded if not differing_conditions(own, table))]
    return replace(merge_tables(same), path=next((table.path for table in same if table.rows), path))


def kernels_of(arch: ArchConfig, resolution: Resolution, lowering: Lowering) -> KernelGraph:
    """What the runtime executes for a network."""
    return fuse(emit(arch, resolution, lowering))


def is_host(device: str) -> bool:
    """Whether `device` names this machine."""
    return device in (HOST, host_fingerprint())
