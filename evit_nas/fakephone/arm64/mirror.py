"""The phone's files in a folder of this machine, for programs that run outside of the phone's own Python."""

from __future__ import annotations

import os
import re
import stat
import threading
from contextlib import suppress
from pathlib import Path

from evit_nas.fakephone.filesystem import WRITABLE, FileError, FileSystem, Node

_OF_A_PROCESS = re.compile(r"/proc/(self|\d+)(/.*)?")
State = tuple[int, int]  # size in bytes, time of the last change in ns


class Mirror:
    """`folder` stands for the phone's `/`. Thread-safe.

    Files go out before a program starts and come back when it has ended; those of /proc and /sys only go out, and are
    those of that moment.
    """

    def __init__(self, files: FileSystem, folder: Path) -> None:
        self._files, self._folder = files, folder
        self._lock = threading.Lock()
        self._out: dict[str, tuple[Node, State]] = {}  # files that lie in the folder as the phone has them

    def path(self, path: str) -> Path:
        """Where the phone's `path` (absolute, normal) lies."""
        return self._folder / path.lstrip("/")

    def send(self) -> None:
        """Make the folder as the phone is now."""
        with self._lock:
            listing = {path: node for path, node in self._files.listing().items() if not _OF_A_PROCESS.fullmatch(path)}
            for path in [path for path in self._out if path not in listing]:
                del self._out[path]
                self.path(path).unlink(missing_ok=True)
            for path, node in sorted(listing.items()):
                if node.content is None:
                    self.path(path).mkdir(parents=True, exist_ok=True)
                elif not self._same(path, node):
                    self._write(path, node, node.content)

    def fetch(self) -> None:
        """Take over what programs have changed in the writable folders. What the phone refuses is thrown away."""
        with self._lock:
            here = self._states()
            for path in [path for path in self._out if _writable(path) and path not in here]:
                del self._out[path]
                with suppress(FileError):
                    self._files.remove(path)
            for path, state in here.items():
                if path not in self._out or self._out[path][1] != state:
                    self._take(path)

    def _same(self, path: str, node: Node) -> bool:
        own = self._out.get(path)
        return own is not None and (own[0].content, own[0].mode) == (node.content, node.mode)

    def _write(self, path: str, node: Node, content: bytes) -> None:
        target = self.path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        target.chmod(stat.S_IMODE(node.mode) | stat.S_IRUSR | stat.S_IWUSR)
        self._out[path] = node, _state(target)

    def _states(self) -> dict[str, State]:
        """Every regular file in the writable folders, no link followed."""
        found = {}
        for top in WRITABLE:
            for folder, _, names in os.walk(self.path(top)):
                for file in (Path(folder) / name for name in names):
                    if stat.S_ISREG(file.lstat().st_mode):
                        found[f"/{file.relative_to(self._folder)}"] = _state(file)
        return found

    def _take(self, path: str) -> None:
        file = self.path(path)
        content, mode = file.read_bytes(), file.stat().st_mode
        try:
            parent = path.rpartition("/")[0]
            self._files.make_folder(parent, parents=True)
            self._files.write(path, content, mode)
        except FileError:
            file.unlink()
            self._out.pop(path, None)
            return
        self._out[path] = self._files.node(path), _state(file)


def _writable(path: str) -> bool:
    return any(path.startswith(f"{top}/") for top in WRITABLE)


def _state(file: Path) -> State:
    found = file.lstat()
    return found.st_size, found.st_mtime_ns
