"""Writing whole files or nothing."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from evit_nas.errors import InputError


def write_atomic(path: Path, content: bytes) -> None:
    """Write `content` beside `path`, then rename: readers see the old file or the whole new one.

    Raises InputError where the folder cannot be made or written, or the disk is full.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)  # mkstemp makes private files
        Path(temporary).replace(path)
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror or error}; choose a folder with room to write"
        ) from None
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink(missing_ok=True)
