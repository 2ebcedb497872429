"""Redirections: pipes that lead to files, written when the command has ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from evit_nas.fakephone.filesystem import FileError, FileSystem
from evit_nas.fakephone.program import Pipes, appender, reader

Target = tuple[int, str, str, str]  # descriptor, operator, the word as written, the path


def redirect(
    files: FileSystem, pid: int, targets: Sequence[Target], pipes: Pipes
) -> tuple[Pipes, Callable[[int], int]] | None:
    """Pipes as redirected, and what to call with the exit code at the end; None, told, where a file is refused."""
    written: list[tuple[str, bytearray]] = []
    for descriptor, operator, word, path in targets:
        if operator == ">&":
            source = pipes.err if word == "2" else pipes.out
            pipes = replace(pipes, err=source) if descriptor == 2 else replace(pipes, out=source)
            continue
        try:
            if operator == "<":
                pipes = replace(pipes, read=reader(files.read(path, pid)))
                continue
            content = bytearray(files.read(path, pid) if operator == ">>" and files.exists(path, pid) else b"")
            files.write(path, bytes(content))
        except FileError as error:
            pipes.complain(f"sh: can't {'open' if operator == '<' else 'create'} {word}: {error}")
            return None
        written.append((path, content))
        write = appender(content)
        if operator == "&>":
            pipes = replace(pipes, out=write, err=write)
        else:
            pipes = replace(pipes, err=write) if descriptor == 2 else replace(pipes, out=write)

    def finish(code: int) -> int:
        try:
            for path, content in written:
                files.write(path, bytes(content))
        except FileError as error:
            pipes.complain(f"sh: write error: {error}")
            return 1
        return code

    return pipes, finish
