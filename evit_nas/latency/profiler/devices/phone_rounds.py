"""The log of every round on a phone: clock, temperature and cores beside what was timed, thrown-away rounds too.

`<tables>/<device>/rounds/<stem>.csv`, one line a round, appended as it ends. Rows of the table belong to the rounds
just before their `measured_at`.
"""

from __future__ import annotations

import csv
import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from evit_nas.errors import TableError
from evit_nas.latency.profiler.devices.phone_run import Pinned, Run

COLUMNS = (
    "ended_at",  # ISO 8601, UTC, of this machine
    "uptime_s",  # the phone's clock
    "model",  # start of the SHA-256 of the .tflite
    "profiled",
    "runs",
    "mean_us",
    "std_us",
    "mask",
    "threads",
    "clock_before_khz",
    "clock_after_khz",
    "clock_limit_khz",
    "thermal_status",
    "skin_c",
    "cpu_c",
    "problem",  # why it was thrown away; empty for a round that counts
)


class RoundLog:
    """Appends rounds. Raises TableError where the file cannot be written."""

    def __init__(self, table_path: Path) -> None:
        self.path = table_path.parent / "rounds" / table_path.name

    def append(self, model: bytes, run: Run, pinned: Pinned, problem: str, *, profile: bool) -> None:
        latency, after = run.report.latency, run.after
        values = (
            datetime.now(UTC).isoformat(timespec="seconds"),
            f"{after.uptime_s:.2f}",
            hashlib.sha256(model).hexdigest()[:12],
            "yes" if profile else "no",
            latency.count,
            f"{latency.avg_us:.1f}",
            f"{latency.std_us:.1f}",
            f"{pinned.mask:x}",
            pinned.threads,
            run.before.clock_khz,
            after.clock_khz,
            after.limit_khz,
            _text(after.status),
            _text(after.skin_c),
            _text(after.cpu_c),
            problem,
        )
        self._write(values)

    def _write(self, values: tuple[object, ...]) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                if os.fstat(file.fileno()).st_size == 0:
                    writer.writerow(COLUMNS)
                writer.writerow(values)
        except OSError as error:
            raise TableError(f"{self.path}: cannot be written ({error.strerror})") from None


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundLine:
    """One line of the log; None where the phone does not tell."""

    uptime_s: float
    model: str
    profiled: bool
    mean_us: float
    clock_khz: int
    limit_khz: int
    skin_c: float | None
    cpu_c: float | None
    problem: str


def read_rounds(path: Path) -> tuple[RoundLine, ...]:
    """The rounds of a log in their order; a line that a kill cut short is left out. Raises TableError."""
    try:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise TableError(f"{path}: not a log of rounds; its first line must be {','.join(COLUMNS)}")
            return tuple(line for row in reader if (line := _line(row)) is not None)
    except (OSError, csv.Error) as error:
        raise TableError(f"{path}: cannot be read ({error})") from None


def _line(row: dict[str, str]) -> RoundLine | None:
    try:
        return RoundLine(
            uptime_s=float(row["uptime_s"]),
            model=row["model"],
            profiled=row["profiled"] == "yes",
            mean_us=float(row["mean_us"]),
            clock_khz=int(row["clock_after_khz"]),
            limit_khz=int(row["clock_limit_khz"]),
            skin_c=float(row["skin_c"]) if row["skin_c"] else None,
            cpu_c=float(row["cpu_c"]) if row["cpu_c"] else None,
            problem=row["problem"],
        )
    except (TypeError, ValueError):
        return None
