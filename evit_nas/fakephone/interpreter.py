"""Runs the shell's language over the phone's files and commands."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from evit_nas.fakephone.builtins import BUILTINS
from evit_nas.fakephone.filesystem import FileError, normal
from evit_nas.fakephone.parser import parse
from evit_nas.fakephone.phone import Phone
from evit_nas.fakephone.process import Ended, Process
from evit_nas.fakephone.program import HOME, PATH, ExitShell, Pipes, Program, appender, reader
from evit_nas.fakephone.properties import TOOL_PATH
from evit_nas.fakephone.redirection import redirect
from evit_nas.fakephone.syntax import (
    AndOr,
    Command,
    For,
    Group,
    If,
    Loop,
    Pipeline,
    Redirect,
    Sequence,
    ShellSyntaxError,
    Simple,
    Word,
)

_LOOPS = 100_000
Redirected = tuple[Pipes, Callable[[int], int]]


@dataclass(slots=True)
class Shell:
    """One shell process: its folder, variables and last exit code."""

    phone: Phone
    process: Process
    commands: Mapping[str, Program]
    tools: Mapping[str, Program]
    folder: str = HOME
    variables: dict[str, str] = field(default_factory=dict)
    status: int = 0
    background: list[threading.Thread] = field(default_factory=list)
    last_background: int = 0

    def run(self, text: str, pipes: Pipes) -> int:
        """The exit code. Raises Ended where the shell itself is killed."""
        try:
            body = parse(text)
        except ShellSyntaxError as error:
            pipes.complain(f"sh: syntax error: {error}")
            return 1
        try:
            return self._sequence(body, pipes)
        except ExitShell as leave:
            return leave.code

    def path(self, name: str) -> str:
        """Absolute path of a name as this shell sees it."""
        return normal(name, self.folder)

    def child(self, process: Process) -> Shell:
        """A shell with the same surroundings, for another process."""
        return replace(self, process=process, variables=dict(self.variables), background=[])

    # --- structure

    def _sequence(self, body: Sequence, pipes: Pipes) -> int:
        for item in body.items:
            if item.background:
                self._start(item, pipes)
            else:
                self._and_or(item, pipes)
        return self.status

    def _start(self, item: AndOr, pipes: Pipes) -> None:
        process = self.phone.start("sh", self.process)
        shell = self.child(process)

        def work() -> None:
            try:
                shell._and_or(item, replace(pipes, read=lambda: b""))
            except (Ended, ExitShell, EOFError):
                pass
            finally:
                self.phone.finish(process)

        thread = threading.Thread(target=work, daemon=True)
        self.background.append(thread)
        self.last_background = process.pid
        self.status = 0
        thread.start()

    def _and_or(self, item: AndOr, pipes: Pipes) -> int:
        self.status = self._pipeline(item.first, pipes)
        for operator, pipeline in item.rest:
            if (self.status == 0) == (operator == "&&"):
                self.status = self._pipeline(pipeline, pipes)
        return self.status

    def _pipeline(self, pipeline: Pipeline, pipes: Pipes) -> int:
        """Stages run one after the other, each on the whole output of the one before."""
        read = pipes.read
        for command in pipeline.commands[:-1]:
            between = bytearray()
            self._subshell(command, Pipes(read, appender(between), pipes.err))
            read = reader(bytes(between))
        last = pipeline.commands[-1]
        stage = replace(pipes, read=read)
        code = self._subshell(last, stage) if len(pipeline.commands) > 1 else self._command(last, stage)
        return int(code == 0) if pipeline.negated else code

    def _subshell(self, command: Command, pipes: Pipes) -> int:
        shell = replace(self, variables=dict(self.variables), background=[])
        try:
            return shell._command(command, pipes)
        except ExitShell as leave:
            return leave.code

    def _command(self, command: Command, pipes: Pipes) -> int:
        if isinstance(command, Simple):
            return self._simple(command, pipes)
        redirected = self._redirected(command.redirects, pipes)
        if redirected is None:
            return 1
        pipes, finish = redirected
        match command:
            case Group():
                inner = replace(command, subshell=False, redirects=())
                code = self._subshell(inner, pipes) if command.subshell else self._sequence(command.body, pipes)
            case If():
                code = self._if(command, pipes)
            case Loop():
                code = self._loop(command, pipes)
            case For():
                code = self._for(command, pipes)
        return finish(code)

    def _if(self, command: If, pipes: Pipes) -> int:
        for condition, body in command.branches:
            if self._sequence(condition, pipes) == 0:
                return self._sequence(body, pipes)
        self.status = 0
        return self._sequence(command.otherwise, pipes) if command.otherwise is not None else 0

    def _loop(self, command: Loop, pipes: Pipes) -> int:
        code = 0
        for _ in range(_LOOPS):
            self.process.check(self.phone.clock.now_s())
            if (self._sequence(command.condition, pipes) == 0) != command.wanted:
                break
            code = self._sequence(command.body, pipes)
        return code

    def _for(self, command: For, pipes: Pipes) -> int:
        self.status = 0
        for value in [text for word in command.words for text in self._fields(word, pipes)]:
            self.process.check(self.phone.clock.now_s())
            self.variables[command.name] = value
            self._sequence(command.body, pipes)
        return self.status

    # --- simple commands

    def _simple(self, command: Simple, pipes: Pipes) -> int:
        fields = [text for word in command.words for text in self._fields(word, pipes)]
        values = {name: "".join(self._expand(word, pipes)) for name, word in command.assignments}
        redirected = self._redirected(command.redirects, pipes)
        if redirected is None:
            return 1
        pipes, finish = redirected
        if not fields:
            self.variables.update(values)
            return finish(0)
        return finish(self.execute(fields, pipes, values))

    def execute(self, arguments: list[str], pipes: Pipes, variables: Mapping[str, str] | None = None) -> int:
        """Run one command by its words; the exit code."""
        name = arguments[0]
        builtin = BUILTINS.get(name)
        if builtin is not None:
            return builtin(self, arguments, pipes)
        program = self.find(name, pipes)
        if isinstance(program, int):
            return program
        process = self.phone.start(name.rpartition("/")[2], self.process)
        shell = self.child(process)
        shell.variables.update(variables or {})
        try:
            return program(shell, arguments, pipes)
        except Ended as end:
            self.process.check(self.phone.clock.now_s())
            return self._report(end.code, pipes)
        finally:
            self.phone.finish(process)

    def _report(self, code: int, pipes: Pipes) -> int:
        told = {139: "Segmentation fault", 137: "Killed", 143: "Terminated"}.get(code)
        if told:
            pipes.complain(told)
        return code

    def find(self, name: str, pipes: Pipes) -> Program | int:
        """The program of a name or a path; an exit code, told on stderr, where there is none."""
        if "/" not in name:
            if name in self.commands and not (name == "taskset" and self.phone.faulty("no-taskset")):
                return self.commands[name]
            pipes.complain(f"sh: {name}: inaccessible or not found")
            return 127
        path = self.path(name)
        if path.startswith(f"{PATH}/"):
            return self.find(path[len(PATH) + 1 :], pipes)
        try:
            content, mode = self.phone.files.read(path), self.phone.files.node(path).mode
        except FileError as error:
            text = "inaccessible or not found" if str(error).startswith("No such") else f"can't execute: {error}"
            pipes.complain(f"sh: {name}: {text}")
            return 127 if str(error).startswith("No such") else 126
        if not mode & 0o111:
            pipes.complain(f"sh: {name}: can't execute: Permission denied")
            return 126
        return self._program_of(name, content, pipes)

    def _program_of(self, name: str, content: bytes, pipes: Pipes) -> Program | int:
        marker = re.match(rb"#!evit-nas fake (\w+)\n", content)
        if marker and marker[1].decode() in self.tools:
            return self.tools[marker[1].decode()]
        if content.startswith(b"\x7fELF"):
            if self.phone.emulator is not None:
                return self.phone.emulator
            pipes.complain(
                f"sh: {name}: not executable: 64-bit ELF file (this phone is a fake: it runs only the benchmark_model "
                f"that it carries, {TOOL_PATH}, unless it was started with --exec arm64)"
            )
            return 126
        script = content.decode("utf-8", errors="replace")
        return lambda shell, arguments, inner: shell.run(script, inner)

    # --- words

    def _fields(self, word: Word, pipes: Pipes) -> list[str]:
        """A word expanded, split at unquoted spaces, with patterns replaced by the paths that match."""
        fields: list[str] = [""]
        pattern: list[bool] = [False]
        started = False
        for part in word:
            text = part.text if part.kind == "text" else self._value(part.text, part.body, pipes)
            if part.quoted or part.kind == "text":
                started = started or part.quoted or bool(text)
                fields[-1] += text
                pattern[-1] = pattern[-1] or (not part.quoted and any(character in text for character in "*?["))
                continue
            pieces = re.split(r"[ \t\n]+", text)
            started = started or bool(text.strip())
            fields[-1] += pieces[0]
            for piece in pieces[1:]:
                fields.append(piece)
                pattern.append(False)
        if not started:
            return []
        expanded: list[str] = []
        quoted = any(part.quoted for part in word)
        for text, is_pattern in zip(fields, pattern, strict=True):
            found = self.phone.files.glob(self.path(text), self.process.pid) if is_pattern else []
            expanded += found or ([text] if text or quoted else [])
        return expanded

    def _expand(self, word: Word, pipes: Pipes) -> list[str]:
        return [part.text if part.kind == "text" else self._value(part.text, part.body, pipes) for part in word]

    def _value(self, name: str, body: Sequence | None, pipes: Pipes) -> str:
        if body is not None:
            output = bytearray()
            shell = replace(self, variables=dict(self.variables), background=[])
            try:
                self.status = shell._sequence(body, replace(pipes, out=appender(output)))
            except ExitShell as leave:
                self.status = leave.code
            return output.decode("utf-8", errors="replace").rstrip("\n")
        special = {"?": str(self.status), "$": str(self.process.pid), "!": str(self.last_background), "#": "0"}
        environment = {"PATH": PATH, "HOME": HOME, "PWD": self.folder, "USER": "shell", "SHELL": "/bin/sh"}
        return special.get(name) or self.variables.get(name) or environment.get(name, "")

    def _redirected(self, redirects: tuple[Redirect, ...], pipes: Pipes) -> Redirected | None:
        targets = []
        for item in redirects:
            word = "".join(self._expand(item.target, pipes))
            targets.append((item.descriptor, item.operator, word, self.path(word)))
        return redirect(self.phone.files, self.process.pid, targets, pipes)
