"""Where tables are looked for, and where new ones go."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import platformdirs

from evit_nas.errors import TableError, nearest
from evit_nas.latency.table.store import Table, load_table

FOLDER = "latency_tables"
NETWORKS_SUFFIX = ".networks.csv"


def user_tables_dir() -> Path:
    return platformdirs.user_data_path("evit-nas") / FOLDER


def shipped_tables_dir() -> Path:
    """Packaged tables of an installed wheel, or the checkout's own folder."""
    package = Path(str(resources.files("evit_nas")))
    packaged = package / "_data" / FOLDER
    return packaged if packaged.is_dir() else package.parent / FOLDER


def search_order(tables_dir: Path | None = None) -> tuple[Path, ...]:
    """`tables_dir`, ./latency_tables, the user's data folder, the shipped ones; each once."""
    given = (tables_dir,) if tables_dir is not None else ()
    folders = (*given, Path.cwd() / FOLDER, user_tables_dir(), shipped_tables_dir())
    return tuple(dict.fromkeys(folder.absolute() for folder in folders))


def writable_tables_dir(tables_dir: Path | None = None) -> Path:
    """Where new tables go: `tables_dir` if given (or TableError), else the first of the search order that can be
    written, the shipped tables excepted unless they are the working directory's own."""
    if tables_dir is not None:
        if not _writable(tables_dir.absolute()):
            raise TableError(f"{tables_dir}: cannot be written; give another folder with --tables")
        return tables_dir.absolute()
    for folder in search_order()[:2]:
        if _writable(folder):
            return folder
    raise TableError(f"neither {search_order()[0]} nor {user_tables_dir()} can be written; give a folder with --tables")


def _writable(folder: Path) -> bool:
    existing = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def find_tables(device: str, tables_dir: Path | None = None, *, merge: bool = False) -> tuple[Path, ...]:
    """Tables of `device`, nearest first. A folder given that has one is used alone, unless `merge`."""
    found: list[Path] = []
    for folder in search_order(tables_dir):
        here = _tables_in(folder / device)
        if here and not merge and folder == (tables_dir.absolute() if tables_dir is not None else None):
            return here
        found += here
    return tuple(found)


def find_table(
    device: str, tables_dir: Path | None = None, *, threads: int = 1, dtype: str = "fp32", core: str | None = None
) -> Path:
    """The nearest table of `device` for these conditions.

    Raises TableError that names what there is: other threads or cores of the device, else the devices at hand.
    """
    tables = find_tables(device, tables_dir)
    for path in tables:
        if path.stem.endswith(f"-t{threads}-{dtype}") and (core is None or f"-{core}-t" in path.stem):
            return path
    if tables:
        have = ", ".join(path.stem for path in tables)
        raise TableError(
            f"no table of {device} for {threads} threads, {dtype}, core {core or 'any'}; there are: {have}"
        )
    raise TableError(f"no latency table of device {device!r}: {nearest(device, devices_with_tables(tables_dir))}")


def devices_with_tables(tables_dir: Path | None = None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(path.parent.name for path in _all_tables(tables_dir)))


def check_given(tables_dir: Path | None) -> None:
    """Raise TableError where tables are to be read from a folder that is none: the others would be used in silence."""
    if tables_dir is not None and not tables_dir.is_dir():
        raise TableError(f"--tables {tables_dir}: no such folder")


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedTable:
    """A table found, or why it cannot be used (`table` is None, `problem` one line)."""

    path: Path
    table: Table | None
    problem: str


def list_tables(tables_dir: Path | None = None) -> tuple[ListedTable, ...]:
    """Every table of the search order, damaged ones too."""
    return tuple(check_table(path) for path in _all_tables(tables_dir))


def tables_under(path: Path) -> tuple[Path, ...]:
    """A table file itself; of a folder the tables in it and in the device folders under it. TableError for none."""
    if not path.is_dir():
        return (path,)
    found = tuple(table for folder in (path, *sorted(path.iterdir())) for table in _tables_in(folder))
    if not found:
        raise TableError(f"{path}: holds no latency table (.csv with its .json beside it)")
    return found


def check_table(path: Path) -> ListedTable:
    """Read one table; a problem is text here, not an error."""
    try:
        return ListedTable(path=path, table=load_table(path), problem="")
    except TableError as error:
        return ListedTable(path=path, table=None, problem=str(error))


def _all_tables(tables_dir: Path | None) -> tuple[Path, ...]:
    folders = [device for root in search_order(tables_dir) if root.is_dir() for device in sorted(root.iterdir())]
    return tuple(path for folder in folders for path in _tables_in(folder))


def _tables_in(folder: Path) -> tuple[Path, ...]:
    if not folder.is_dir():
        return ()
    return tuple(path for path in sorted(folder.glob("*.csv")) if not path.name.endswith(NETWORKS_SUFFIX))
