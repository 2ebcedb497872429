"""Reading the files of a run folder."""

from __future__ import annotations

from pathlib import Path

from evit_nas.errors import InputError


def read_text(path: Path) -> str:
    """The text of a file of a run folder. Raises InputError where it is missing or not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: missing; the run folder is not complete") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start})") from None
