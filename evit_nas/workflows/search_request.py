"""What a search was asked for, as kept in the first line of its journal: a resumed search is the same search."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from evit_nas.accuracy.estimator.sources import default_source
from evit_nas.errors import InputError
from evit_nas.space.dimension import MAX_SEED
from evit_nas.space.space import load_space


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchRequest:
    """The arguments that decide the front. `tables` and `storage` are empty where none were given."""

    budget_ms: float
    device: str
    space: str
    accuracy: str
    trials: int
    seed: int
    lowering: str  # "" for the one that the table was measured with
    threads: int
    tables: str
    merge: bool
    storage: str

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(SearchRequest).items():
            if type(getattr(self, name)) is not kind:
                raise InputError(f"{name} {getattr(self, name)!r}: must be of type {kind.__name__}")
        if not 0 < self.budget_ms < math.inf:
            raise InputError(f"budget {self.budget_ms} ms: must be a finite time above zero, for example 200ms")
        for name in ("trials", "threads"):
            if getattr(self, name) < 1:
                raise InputError(f"--{name} {getattr(self, name)}: must be at least 1")
        if not 0 <= self.seed <= MAX_SEED:
            raise InputError(f"--seed {self.seed}: must be from 0 to {MAX_SEED}")

    def header(self, table_hash: str) -> dict[str, Any]:
        return asdict(self) | {"table_hash": table_hash}

    @property
    def tables_dir(self) -> Path | None:
        return Path(self.tables) if self.tables else None

    def command(self, run: Path) -> str:
        """The command line that repeats this search."""
        words = ["evit-nas", "search", "--budget", f"{self.budget_ms:g}ms"]
        for name in ("device", "space", "accuracy", "trials", "seed", "threads"):
            words += [f"--{name}", str(getattr(self, name))]
        for name in ("lowering", "tables", "storage"):
            words += [f"--{name}", value] if (value := getattr(self, name)) else []
        words += ["--merge"] if self.merge else []
        return shlex.join([*words, "--out", str(run)])


def new_request(
    *,
    budget_ms: float | None,
    device: str,
    space: str | Path,
    accuracy: str | Path | None,
    trials: int,
    seed: int,
    lowering: str | None,
    threads: int,
    tables: Path | None,
    merge: bool,
    storage: str | None,
) -> SearchRequest:
    """Raises InputError for a budget, a number of trials or threads, or a seed that means nothing."""
    if budget_ms is None:
        raise InputError("no budget: give the latency that a network may take, for example 200ms")
    return SearchRequest(
        budget_ms=float(budget_ms),
        device=device,
        space=_kept(space),
        accuracy=_kept(accuracy or default_source(load_space(space).spec.task)),
        trials=trials,
        seed=seed,
        lowering=lowering or "",
        threads=threads,
        tables=str(tables.absolute()) if tables else "",
        merge=merge,
        storage=storage or "",
    )


def request_of(header: Mapping[str, Any], run: str) -> SearchRequest:
    """The request in a journal's header. Raises InputError where it is not one of this version."""
    names = {field.name for field in fields(SearchRequest)}
    if set(header) != names | {"table_hash"}:
        raise InputError(f"{run}: a run folder of another version; start the search anew")
    try:
        return SearchRequest(**{name: header[name] for name in names})
    except InputError as error:
        raise InputError(f"{run}: {error}") from None


def _kept(name_or_path: str | Path) -> str:
    """A name as it is, a file by its absolute path, so that the run goes on from any folder."""
    path = Path(name_or_path)
    return str(path.absolute()) if path.is_file() else str(name_or_path)
