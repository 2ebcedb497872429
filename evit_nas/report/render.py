"""From the data of a run folder to its figures and its page."""

from __future__ import annotations

from pathlib import Path

from evit_nas.report.figures import write_figures
from evit_nas.report.html import write_page
from evit_nas.report.run_data import RunData, read_run, write_run


def render(folder: Path) -> tuple[Path, ...]:
    """Draw the figures and write the page of a finished run. Returns the files, the page first.

    Raises InputError for a folder that is no run, is damaged, or is of another version.
    """
    return _draw(read_run(folder), folder)


def publish(folder: Path, run: RunData) -> tuple[Path, ...]:
    """Write the data of a run into its folder, then draw it. Returns the files, the page first."""
    data = write_run(folder, run)
    return (*_draw(run, folder), *data)


def _draw(run: RunData, folder: Path) -> tuple[Path, ...]:
    files = write_figures(run, folder)
    vectors = {path.stem: path.read_bytes() for path in files if path.suffix == ".svg"}
    return (write_page(run, folder, vectors), *files)
