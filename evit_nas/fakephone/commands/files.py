"""Programs on files: ls, cat, mkdir, rm, mv, cp, chmod, stat, touch, df, du, sums."""

from __future__ import annotations

import hashlib
import stat
import time
from collections.abc import Callable, Mapping

from evit_nas.fakephone.filesystem import FileError, Node
from evit_nas.fakephone.interpreter import Shell
from evit_nas.fakephone.program import Pipes, Program

_DISK_BYTES = 110 << 30


def split_options(arguments: list[str]) -> tuple[str, list[str]]:
    """The letters of all options, and the other words."""
    options = "".join(word[1:] for word in arguments[1:] if word.startswith("-") and len(word) > 1)
    return options, [word for word in arguments[1:] if not word.startswith("-") or word == "-"]


def each_file(name: str, paths: list[str], pipes: Pipes, work: Callable[[str], None]) -> int:
    """Run `work` on each path; a refusal is told as the program `name` would. 1 if any was refused."""
    code = 0
    for path in paths:
        try:
            work(path)
        except FileError as error:
            pipes.complain(f"{name}: {path}: {error}")
            code = 1
    return code


def read_inputs(shell: Shell, name: str, paths: list[str], pipes: Pipes) -> tuple[bytes, int]:
    """The content of all paths, or of the input where there are none, and the exit code so far."""
    if not paths or paths == ["-"]:
        return pipes.read(), 0
    content = bytearray()

    def add(path: str) -> None:
        content.extend(shell.phone.files.read(shell.path(path), shell.process.pid))

    code = each_file(name, paths, pipes, add)
    return bytes(content), code


def _cat(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    _, paths = split_options(arguments)
    content, code = read_inputs(shell, "cat", paths, pipes)
    pipes.out(content)
    return code


def _ls(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    options, paths = split_options(arguments)
    files, pid = shell.phone.files, shell.process.pid

    def show(name: str, node: Node) -> None:
        if "l" in options:
            when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(node.mtime_s))
            pipes.say(f"{stat.filemode(node.mode)} 1 shell shell {node.size_bytes:>9} {when} {name}\n")
        else:
            pipes.say(f"{name}\n")

    def work(path: str) -> None:
        place = shell.path(path)
        node = files.node(place, pid)
        if node.content is not None or "d" in options:
            show(path, node)
            return
        for name in files.names(place, pid):
            show(name, files.node(f"{place.rstrip('/')}/{name}", pid))

    return each_file("ls", paths or ["."], pipes, work)


def _mkdir(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    options, paths = split_options(arguments)
    make = shell.phone.files.make_folder
    return each_file("mkdir", paths, pipes, lambda path: make(shell.path(path), parents="p" in options))


def _rm(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    options, paths = split_options(arguments)
    if "f" in options:
        paths = [path for path in paths if shell.phone.files.exists(shell.path(path))]
    recursive = "r" in options or "R" in options
    return each_file("rm", paths, pipes, lambda path: shell.phone.files.remove(shell.path(path), recursive))


def _target(shell: Shell, source: str, target: str) -> str:
    """Where `source` ends up: inside `target` if that is a folder."""
    place = shell.path(target)
    files = shell.phone.files
    if files.exists(place) and files.node(place).content is None:
        return f"{place}/{source.rstrip('/').rpartition('/')[2]}"
    return place


def _mv(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    _, (*sources, target) = split_options(arguments)
    move = shell.phone.files.move
    return each_file("mv", sources, pipes, lambda path: move(shell.path(path), _target(shell, path, target)))


def _cp(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    _, (*sources, target) = split_options(arguments)
    files = shell.phone.files

    def work(path: str) -> None:
        place = shell.path(path)
        content = files.read(place, shell.process.pid)
        files.write(_target(shell, path, target), content, files.node(place, shell.process.pid).mode)

    return each_file("cp", sources, pipes, work)


def _chmod(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    words = [word for word in arguments[1:] if word != "-R"]
    mode, paths = words[0], words[1:]
    files = shell.phone.files

    def work(path: str) -> None:
        place = shell.path(path)
        current = files.node(place).mode & 0o7777
        if mode.isdigit():
            files.set_mode(place, int(mode, 8))
        else:
            bits = 0o111 * ("x" in mode) | 0o222 * ("w" in mode) | 0o444 * ("r" in mode)
            files.set_mode(place, current & ~bits if "-" in mode else current | bits)

    return each_file("chmod", paths, pipes, work)


def _stat(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    words = list(arguments[1:])
    form = "  File: %n\n  Size: %s\t Mode: %a\t Modify: %Y"
    if "-c" in words:
        place = words.index("-c")
        form = words[place + 1]
        del words[place : place + 2]

    def work(path: str) -> None:
        node = shell.phone.files.node(shell.path(path), shell.process.pid)
        kind = "directory" if node.content is None else "regular file"
        values = {
            "%n": path, "%s": str(node.size_bytes), "%a": f"{node.mode & 0o7777:o}", "%Y": str(int(node.mtime_s)),
            "%F": kind, "%U": "shell", "%G": "shell", "%A": stat.filemode(node.mode),
        }  # fmt: skip
        text = form
        for key, value in values.items():
            text = text.replace(key, value)
        pipes.say(f"{text}\n")

    return each_file("stat", words, pipes, work)


def _touch(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    files = shell.phone.files

    def work(path: str) -> None:
        place = shell.path(path)
        files.write(place, files.read(place) if files.exists(place) else b"")

    return each_file("touch", split_options(arguments)[1], pipes, work)


def _sum(name: str, algorithm: str) -> Program:
    def program(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
        options, paths = split_options(arguments)

        def work(path: str) -> None:
            content = shell.phone.files.read(shell.path(path), shell.process.pid)
            digest = hashlib.new(algorithm, content).hexdigest()
            pipes.say(f"{digest}\n" if "b" in options else f"{digest}  {path}\n")

        if paths:
            return each_file(name, paths, pipes, work)
        pipes.say(f"{hashlib.new(algorithm, pipes.read()).hexdigest()}  -\n")
        return 0

    return program


def _df(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    free = 0 if shell.phone.disk_full() else _DISK_BYTES - shell.phone.files.used_bytes()
    used = _DISK_BYTES - free
    pipes.say("Filesystem     1K-blocks     Used Available Use% Mounted on\n")
    pipes.say(
        f"/dev/block/dm-9 {_DISK_BYTES >> 10} {used >> 10} {free >> 10} {100 * used // _DISK_BYTES}% /data/user/0\n"
    )
    return 0


def _du(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    for path in split_options(arguments)[1]:
        pipes.say(f"{shell.phone.files.used_bytes() >> 10}\t{path}\n")
    return 0


PROGRAMS: Mapping[str, Program] = {
    "cat": _cat,
    "ls": _ls,
    "mkdir": _mkdir,
    "rm": _rm,
    "mv": _mv,
    "cp": _cp,
    "chmod": _chmod,
    "stat": _stat,
    "touch": _touch,
    "sha256sum": _sum("sha256sum", "sha256"),
    "sha1sum": _sum("sha1sum", "sha1"),
    "md5sum": _sum("md5sum", "md5"),
    "df": _df,
    "du": _du,
}
