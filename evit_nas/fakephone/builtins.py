"""Commands that change the shell itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from evit_nas.fakephone.filesystem import FileError
from evit_nas.fakephone.program import HOME, PATH, ExitShell, Pipes, Program

if TYPE_CHECKING:
    from evit_nas.fakephone.interpreter import Shell


def _cd(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    path = shell.path(arguments[1] if len(arguments) > 1 else HOME)
    try:
        if shell.phone.files.node(path, shell.process.pid).content is not None:
            pipes.complain(f"sh: cd: {path}: Not a directory")
            return 2
    except FileError as error:
        pipes.complain(f"sh: cd: {path}: {error}")
        return 2
    shell.folder = path
    return 0


def _export(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    for argument in arguments[1:]:
        name, equals, value = argument.partition("=")
        if equals:
            shell.variables[name] = value
    return 0


def _exit(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    code = arguments[1] if len(arguments) > 1 else str(shell.status)
    raise ExitShell(int(code) & 255 if code.lstrip("-").isdigit() else 2)


def _wait(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    for thread in shell.background:
        while thread.is_alive():
            thread.join(0.02)
            shell.process.check(shell.phone.clock.now_s())
    return 0


def _set(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    return 0


def _exec(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    raise ExitShell(shell.execute(arguments[1:], pipes)) if len(arguments) > 1 else ExitShell(0)


def _command_v(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    if arguments[1:2] != ["-v"]:
        return shell.execute(arguments[1:], pipes)
    name = arguments[-1]
    if name in BUILTINS:
        pipes.say(f"{name}\n")
        return 0
    quiet = replace(pipes, err=lambda data: None)
    if isinstance(shell.find(name, quiet), int):
        return 1
    pipes.say(f"{name if '/' in name else f'{PATH}/{name}'}\n")
    return 0


BUILTINS: Mapping[str, Program] = {
    "cd": _cd,
    "export": _export,
    "exit": _exit,
    "wait": _wait,
    "set": _set,
    "trap": _set,
    ":": _set,
    "exec": _exec,
    "command": _command_v,
}
