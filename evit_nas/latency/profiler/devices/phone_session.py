"""A phone made ready for measuring, and left as it was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from evit_nas.errors import DeviceError, InputError, TableError
from evit_nas.latency.measurement import Conditions
from evit_nas.latency.profiler.devices.adb import Adb, attached
from evit_nas.latency.profiler.devices.adb_state import Attached
from evit_nas.latency.profiler.devices.phone import PhoneDevice
from evit_nas.latency.profiler.devices.phone_identity import EMULATION, PhoneIdentity, core_mask, identify
from evit_nas.latency.profiler.devices.phone_rounds import RoundLog
from evit_nas.latency.profiler.devices.phone_run import Pinned
from evit_nas.latency.profiler.devices.phone_settings import FIXED, measuring_settings, phone_lock, restore_leftovers
from evit_nas.latency.profiler.devices.phone_tool import FOLDER, InstalledTool, install
from evit_nas.latency.profiler.devices.phone_watch import (
    CAPPED,
    look_script,
    parse_look,
    wait_until_fit,
    wait_until_quiet,
)
from evit_nas.latency.table.store import load_table, table_path
from evit_nas.soc.registry import Soc, resolve, socs

Note = Callable[[str], None]


@contextmanager
def open_phone(
    serial: str,
    *,
    core: str | None = None,
    threads: int = 1,
    benchmark_model: Path | None = None,
    tables_dir: Path | None = None,
    note: Note,
) -> Iterator[PhoneDevice]:
    """A phone of this serial, ready: locked, its settings set, cool, its tool installed. All put back at the end.

    With `tables_dir` its rounds are logged beside its table there. Raises DeviceError, InputError.
    """
    adb = Adb(serial)
    with phone_lock(serial):
        adb.reconnect()
        restore_leftovers(adb, note)
        identity = identify(adb)
        name, mask = core_mask(identity, core, threads)
        watched = max((cpu for cpu in range(64) if mask >> cpu & 1), default=_prime_core(identity))
        pinned = Pinned(core=watched, mask=mask, threads=threads)
        for text in identity.contradictions:
            note(f"{serial}: {text}; the phone's word counts")
        if identity.emulated:
            note(f"{serial}: {EMULATION}")
        free_khz = wait_until_fit(adb, pinned.core, None, note).limit_khz
        tool = install(adb, benchmark_model, note)
        with measuring_settings(adb, note) as holds:
            wait_until_quiet(adb, note)
            limit_khz = _limit_khz(adb, pinned.core, free_khz, note)
            conditions = _conditions(identity, tool, name, threads, tables_dir)
            notes = _notes(identity, tool, pinned, holds)
            device = PhoneDevice(
                adb, identity, tool, pinned, conditions=conditions, limit_khz=limit_khz, notes=notes, note=note
            )
            if tables_dir is not None:
                device.rounds = RoundLog(table_path(tables_dir, conditions))
            try:
                yield device
            finally:
                _clean(adb)


def find_phone(device: str) -> str:
    """The serial that a serial or a chip's name means among the attached phones.

    Raises DeviceError: none attached, none of that chip, several of it, or one that is not ready.
    """
    phones = attached()
    own = next((phone for phone in phones if phone.serial == device), None)
    if own is None:
        own = _of_chip(device, phones)
    if own.state != "device":
        raise DeviceError(f"{own.serial}: {own.state}; {own.advice}")
    return own.serial


def attached_device(serial: str) -> str | None:
    """The name that tables of an attached phone lie under; None where adb lists no phone of this serial, or is missing.

    Raises DeviceError for one that is not ready.
    """
    try:
        own = next((phone for phone in attached() if phone.serial == serial), None)
    except DeviceError:
        return None
    if own is None:
        return None
    if own.state != "device":
        raise DeviceError(f"{serial}: {own.state}; {own.advice}")
    return identify(Adb(serial)).device


def _of_chip(device: str, phones: tuple[Attached, ...]) -> Attached:
    wanted = _chip(device).id
    chips: dict[str, str | None] = {}
    for phone in phones:
        if phone.state == "device":
            soc = identify(Adb(phone.serial)).soc
            chips[phone.serial] = soc.id if soc else None
    found = [phone for phone in phones if chips.get(phone.serial) == wanted]
    if len(found) == 1:
        return found[0]
    if found:
        raise DeviceError(f"{device}: {len(found)} phones have it: {_listed(found)}; name one by its serial")
    waiting = [phone for phone in phones if phone.state != "device"]
    if waiting:
        told = "; ".join(f"{phone.serial} is {phone.state}: {phone.advice}" for phone in waiting)
        raise DeviceError(f"{device}: no phone of this chip is ready; {told}")
    listed = ", ".join(f"{serial} with {chip or 'an unknown chip'}" for serial, chip in chips.items())
    others = f" (attached: {listed})" if listed else ""
    raise DeviceError(
        f"{device}: no phone of this chip is attached{others}; connect one, switch USB debugging on, and see that "
        "evit-nas devices lists it"
    )


def _chip(device: str) -> Soc:
    """A word that is no chip's is taken for a serial, so it is a phone that is missing."""
    try:
        return resolve(device)
    except InputError:
        if any(device.lower() in soc.platforms for soc in socs()):
            raise
        raise DeviceError(
            f"{device}: no phone of this serial is attached, and it is no chip's name; evit-nas devices "
            "lists what there is"
        ) from None


def _listed(phones: list[Attached]) -> str:
    return ", ".join(phone.serial for phone in phones)


def _prime_core(identity: PhoneIdentity) -> int:
    return max(identity.clusters, key=lambda cluster: cluster.peak_khz).cores[-1]


def _limit_khz(adb: Adb, core: int, free_khz: int, note: Note) -> int:
    """The clock limit to measure at: that of the fixed-performance mode where that lowers it, else the free one.

    Which it is shows when the mode is left for a moment: a limit that stays then is not the mode's, and is waited out.
    """
    look = wait_until_fit(adb, core, 1, note)
    if look.limit_khz < CAPPED * free_khz:
        adb.shell([*FIXED, "false"])
        freed = parse_look(adb.script(look_script(core)).out, adb.serial, core)
        adb.shell([*FIXED, "true"])
        if freed.limit_khz < CAPPED * free_khz:
            return wait_until_fit(adb, core, free_khz, note).limit_khz
    return look.limit_khz


def _conditions(
    identity: PhoneIdentity, tool: InstalledTool, core: str, threads: int, tables_dir: Path | None
) -> Conditions:
    """The table's conditions. A table there of another phone, build or tool is left alone: this one gets a name of its
    own, `sm8450-` and digits of its fingerprint."""
    conditions = Conditions(device=identity.device, core=core, threads=threads)
    if tables_dir is None:
        return conditions
    path = table_path(tables_dir, conditions)
    if not path.with_suffix(".json").exists():
        return conditions
    try:
        existing = load_table(path).provenance
    except TableError as error:
        raise InputError(f"{error}; move it away or give another folder with --tables") from None
    if (existing.host_fingerprint, existing.runtime_hash) == (identity.fingerprint(), tool.sha256[:16]):
        return conditions
    digits = identity.fingerprint(tool.sha256).rpartition("-")[2][:6]
    return Conditions(device=f"{identity.device}-{digits}", core=core, threads=threads)


def _notes(identity: PhoneIdentity, tool: InstalledTool, pinned: Pinned, holds: tuple[str, ...]) -> tuple[str, ...]:
    """What holds for the whole table and has no field of its own."""
    mask = f"mask {pinned.mask:x}" if pinned.mask else "not pinned"
    return (
        f"Android {identity.android}, build {identity.build}",
        f"{mask}, {pinned.threads} thread{'s' if pinned.threads > 1 else ''}, governor {identity.governor or 'unknown'}"
        f"{''.join(f', {text}' for text in holds)}",
        f"benchmark_model sha256 {tool.sha256}",
        *identity.contradictions,
        *((EMULATION,) if identity.emulated else ()),
    )


def _clean(adb: Adb) -> None:
    """Models and profiles go, the tool stays for the next time."""
    try:
        adb.script(f"rm -f {FOLDER}/*.tflite {FOLDER}/profile.*", retries=0)
    except DeviceError:
        return  # the phone is gone; the files are small and the next run removes them
