"""The phone's files: a few writable folders in memory, and what the kernel shows under /proc and /sys."""

from __future__ import annotations

import errno
import fnmatch
import os
import stat
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

WRITABLE = ("/data/local/tmp", "/sdcard")
_READ_ONLY = ("/system", "/vendor", "/product", "/apex")
_KERNEL = ("/proc", "/sys")
_CAPACITY_BYTES = 2 << 30

KernelFiles = Mapping[str, str | None]  # path -> content; None: denied to the shell


class FileError(Exception):
    """A refusal, with the kernel's errno."""

    def __init__(self, number: int) -> None:
        super().__init__(os.strerror(number))
        self.number = number


@dataclass(slots=True)
class Node:
    """A file, or a folder where `content` is None. `mode` has the type bits."""

    mode: int
    mtime_s: float
    content: bytes | None = field(default=None, repr=False)

    @property
    def size_bytes(self) -> int:
        return 4096 if self.content is None else len(self.content)


def normal(path: str, folder: str = "/") -> str:
    """Absolute path without `.`, `..`, double and trailing slashes; relative ones start at `folder`."""
    parts: list[str] = []
    for part in (path if path.startswith("/") else f"{folder}/{path}").split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def _under(path: str, tops: tuple[str, ...]) -> bool:
    return any(path == top or path.startswith(f"{top}/") for top in tops)


class FileSystem:
    """Paths are absolute and normal. `kernel(pid)` makes the files of /proc and /sys as that process sees them."""

    def __init__(
        self, kernel: Callable[[int], KernelFiles], now_s: Callable[[], float], refusal: Callable[[], int]
    ) -> None:
        self._kernel, self._now_s, self._refusal = kernel, now_s, refusal
        self._lock = threading.RLock()
        self._nodes: dict[str, Node] = {}
        for path in ("/", "/data", "/data/local", *WRITABLE, *_READ_ONLY, "/system/bin", "/dev", *_KERNEL):
            self._nodes[path] = Node(stat.S_IFDIR | 0o755, now_s())

    def install(self, path: str, content: bytes, mode: int = 0o755) -> None:
        """Put a file of the phone's own image in its place, whatever the permissions."""
        self._nodes[path] = Node(stat.S_IFREG | mode, self._now_s(), content)

    def node(self, path: str, pid: int = 0) -> Node:
        """What stands at `path`. Raises FileError."""
        if path == "/dev/null":
            return Node(stat.S_IFCHR | 0o666, self._now_s(), b"")
        if _under(path, _KERNEL):
            return self._kernel_node(path, pid)
        with self._lock:
            node = self._nodes.get(path)
        if node is None:
            raise FileError(errno.ENOENT)
        return node

    def _kernel_node(self, path: str, pid: int) -> Node:
        files = self._kernel(pid)
        if path in files:
            content = files[path]
            return Node(stat.S_IFREG | (0o400 if content is None else 0o444), self._now_s(), (content or "").encode())
        if path in _KERNEL or any(name.startswith(f"{path}/") for name in files):
            return Node(stat.S_IFDIR | 0o755, self._now_s())
        raise FileError(errno.ENOENT)

    def read(self, path: str, pid: int = 0) -> bytes:
        """Content of a file. Raises FileError."""
        node = self.node(path, pid)
        if node.content is None:
            raise FileError(errno.EISDIR)
        if _under(path, _KERNEL) and node.mode & 0o444 == 0o400:
            raise FileError(errno.EACCES)
        return node.content

    def names(self, path: str, pid: int = 0) -> list[str]:
        """Names in a folder, sorted. Raises FileError."""
        if self.node(path, pid).content is not None:
            raise FileError(errno.ENOTDIR)
        with self._lock:
            known = [*self._nodes, *(self._kernel(pid) if _under(path, _KERNEL) else ())]
        prefix = path.rstrip("/") + "/"
        return sorted({name[len(prefix) :].split("/")[0] for name in known if name.startswith(prefix)} - {""})

    def exists(self, path: str, pid: int = 0) -> bool:
        try:
            self.node(path, pid)
        except FileError:
            return False
        return True

    def listing(self) -> dict[str, Node]:
        """Files and folders by path, at /proc and /sys those files that the shell may read."""
        with self._lock:
            found = dict(self._nodes)
        for path, content in self._kernel(0).items():
            if content is not None:
                found[path] = Node(stat.S_IFREG | 0o444, self._now_s(), content.encode())
        return found

    def glob(self, pattern: str, pid: int = 0) -> list[str]:
        """Paths that match, component by component, sorted."""
        found = ["/"]
        for part in pattern.strip("/").split("/"):
            step = []
            for folder in found:
                base = folder.rstrip("/")
                if not any(character in part for character in "*?["):
                    step += [f"{base}/{part}"] if self.exists(f"{base}/{part}", pid) else []
                elif self.exists(folder, pid) and self.node(folder, pid).content is None:
                    names = self.names(folder, pid)
                    step += [f"{base}/{name}" for name in names if fnmatch.fnmatchcase(name, part)]
            found = step
        return found

    # --- changes

    def check_writable(self, path: str) -> None:
        """Raises FileError where nothing can be written at `path` now."""
        if _under(path, _READ_ONLY):
            raise FileError(errno.EROFS)
        if not _under(path, WRITABLE):
            raise FileError(errno.EACCES)
        if refused := self._refusal():
            raise FileError(refused)

    def write(self, path: str, content: bytes, mode: int | None = None, mtime_s: float | None = None) -> None:
        """Write a whole file; an existing one keeps its mode unless `mode` is given. Raises FileError."""
        if path == "/dev/null":
            return
        self.check_writable(path)
        parent = path.rpartition("/")[0] or "/"
        with self._lock:
            old = self._nodes.get(path)
            if old is not None and old.content is None:
                raise FileError(errno.EISDIR)
            if parent not in self._nodes:
                raise FileError(errno.ENOENT)
            if sum(node.size_bytes for node in self._nodes.values()) + len(content) > _CAPACITY_BYTES:
                raise FileError(errno.ENOSPC)
            kept = old.mode & 0o7777 if old is not None else 0o644
            mode = stat.S_IFREG | (kept if mode is None else mode & 0o7777)
            self._nodes[path] = Node(mode, self._now_s() if mtime_s is None else mtime_s, content)

    def make_folder(self, path: str, parents: bool = False) -> None:
        """Raises FileError."""
        with self._lock:
            if path in self._nodes:
                if parents and self._nodes[path].content is None:
                    return
                raise FileError(errno.EEXIST)
            self.check_writable(path)
            parent = path.rpartition("/")[0] or "/"
            if parent not in self._nodes:
                if not parents:
                    raise FileError(errno.ENOENT)
                self.make_folder(parent, parents=True)
            self._nodes[path] = Node(stat.S_IFDIR | 0o771, self._now_s())

    def remove(self, path: str, recursive: bool = False) -> None:
        """Raises FileError."""
        node = self.node(path)
        self.check_writable(path)
        if path in WRITABLE:
            raise FileError(errno.EBUSY)
        with self._lock:
            inside = [name for name in self._nodes if name.startswith(f"{path}/")]
            if node.content is None and not recursive:
                raise FileError(errno.EISDIR)
            for name in [path, *inside]:
                self._nodes.pop(name, None)

    def move(self, source: str, target: str) -> None:
        """Rename a file or a folder. Raises FileError."""
        self.node(source)
        self.check_writable(source)
        self.check_writable(target)
        with self._lock:
            for name in [name for name in self._nodes if _under(name, (source,))]:
                self._nodes[target + name[len(source) :]] = self._nodes.pop(name)

    def set_mode(self, path: str, mode: int) -> None:
        """chmod. Raises FileError."""
        node = self.node(path)
        self.check_writable(path)
        node.mode = stat.S_IFMT(node.mode) | mode & 0o7777

    def used_bytes(self) -> int:
        with self._lock:
            return sum(node.size_bytes for node in self._nodes.values())
