"""Programs on text: echo, printf, head, tail, grep, wc, sort, uniq, cut, tr, tee, test, seq, basename, dirname."""

from __future__ import annotations

import re
from collections.abc import Mapping

from evit_nas.fakephone.commands.files import read_inputs, split_options
from evit_nas.fakephone.filesystem import FileError
from evit_nas.fakephone.interpreter import Shell
from evit_nas.fakephone.program import Pipes, Program


def _echo(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    words = arguments[1:]
    end = "\n"
    while words and re.fullmatch(r"-[neE]+", words[0]):
        end = "" if "n" in words[0] else end
        words = words[1:]
    pipes.say(" ".join(words) + end)
    return 0


def _printf(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    form = arguments[1].replace("\\n", "\n").replace("\\t", "\t").replace("\\0", "\0")
    values = arguments[2:]
    while True:
        taken = len(re.findall(r"%[-0-9.]*[sdux]", form))
        left = iter(values[:taken])
        pipes.say(re.sub(r"%[-0-9.]*[sdux]", lambda _: next(left, ""), form).replace("%%", "%"))  # noqa: B023
        values = values[taken:]
        if not values or not taken:
            return 0


def _lines(shell: Shell, arguments: list[str], pipes: Pipes) -> tuple[int, list[bytes], int]:
    """The number after -n (or -N), the lines, the exit code."""
    count, paths = 10, []
    words = iter(arguments[1:])
    for word in words:
        if word == "-n":
            count = int(next(words, "10"))
        elif re.fullmatch(r"-n?\d+", word):
            count = int(word.lstrip("-n"))
        else:
            paths.append(word)
    content, code = read_inputs(shell, arguments[0], paths, pipes)
    return count, content.splitlines(keepends=True), code


def _head(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    count, lines, code = _lines(shell, arguments, pipes)
    pipes.out(b"".join(lines[:count]))
    return code


def _tail(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    count, lines, code = _lines(shell, arguments, pipes)
    pipes.out(b"".join(lines[-count:] if count else []))
    return code


def _grep(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    options, words = split_options(arguments)
    if not words:
        pipes.complain("grep: no REGEX")
        return 2
    pattern = re.escape(words[0]) if "F" in options else words[0]
    if "E" not in options and "F" not in options:
        pattern = pattern.replace("\\|", "|")
    try:
        expression = re.compile(pattern.encode(), re.IGNORECASE if "i" in options else 0)
    except re.error:
        pipes.complain(f"grep: bad REGEX '{pattern}'")
        return 2
    content, code = read_inputs(shell, "grep", words[1:], pipes)
    found = [line for line in content.splitlines() if (expression.search(line) is None) == ("v" in options)]
    if "c" in options:
        pipes.say(f"{len(found)}\n")
    elif "o" in options:
        pipes.out(b"".join(match[0] + b"\n" for line in found for match in expression.finditer(line)))
    elif "q" not in options:
        pipes.out(b"".join(line + b"\n" for line in found))
    return 2 if code else int(not found)


def _wc(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    options, paths = split_options(arguments)
    content, code = read_inputs(shell, "wc", paths, pipes)
    counts = {"l": content.count(b"\n"), "w": len(content.split()), "c": len(content)}
    chosen = [str(value) for key, value in counts.items() if not options or key in options]
    pipes.say(" ".join([*chosen, *paths]) + "\n")
    return code


def _sort(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    options, paths = split_options(arguments)
    content, code = read_inputs(shell, "sort", paths, pipes)
    lines = content.splitlines()

    def key(line: bytes) -> tuple[float, bytes]:
        number = re.match(rb"\s*(-?\d+\.?\d*)", line) if "n" in options else None
        return (float(number[1]) if number else 0.0, line)

    lines = sorted(set(lines) if "u" in options else lines, key=key, reverse="r" in options)
    pipes.out(b"".join(line + b"\n" for line in lines))
    return code


def _uniq(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    content, code = read_inputs(shell, "uniq", split_options(arguments)[1], pipes)
    lines = content.splitlines()
    pipes.out(b"".join(line + b"\n" for i, line in enumerate(lines) if i == 0 or line != lines[i - 1]))
    return code


def _cut(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    text = "\0".join(arguments[1:])
    delimiter = re.search(r"-d\0?([^\0])", text)
    fields = re.search(r"-f\0?(\d+)", text)
    if fields is None:
        pipes.complain("cut: needs -f N")
        return 1
    separator = delimiter[1].encode() if delimiter else b"\t"
    for line in pipes.read().splitlines():
        pieces = line.split(separator)
        number = int(fields[1]) - 1
        pipes.out((pieces[number] if number < len(pieces) else b"") + b"\n")
    return 0


def _tr(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    words = [word.encode().replace(b"\\n", b"\n").replace(b"\\r", b"\r").replace(b"\\t", b"\t") for word in arguments]
    content = pipes.read()
    if words[1:2] == [b"-d"] and len(words) == 3:
        pipes.out(content.translate(None, words[2]))
        return 0
    if len(words) != 3:
        pipes.complain("tr: needs SET1 SET2, or -d SET1")
        return 1
    source, target = words[1], words[2] + words[2][-1:] * max(len(words[1]) - len(words[2]), 0)
    pipes.out(content.translate(bytes.maketrans(source, target[: len(source)])))
    return 0


def _tee(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    content = pipes.read()
    pipes.out(content)
    for path in split_options(arguments)[1]:
        shell.phone.files.write(shell.path(path), content)
    return 0


def _test(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    words = arguments[1:]
    if arguments[0] == "[":
        if not words or words[-1] != "]":
            pipes.complain("sh: [: missing ]")
            return 2
        words = words[:-1]
    negated = words[:1] == ["!"]
    try:
        result = _true(shell, words[1:] if negated else words)
    except ValueError:
        pipes.complain(f"sh: {arguments[0]}: bad expression")
        return 2
    return int(result == negated)


def _true(shell: Shell, words: list[str]) -> bool:
    """Raises ValueError for an expression that it does not know."""
    if len(words) <= 1:
        return bool(words and words[0])
    if len(words) == 2 and words[0] in ("-n", "-z"):
        return bool(words[1]) == (words[0] == "-n")
    if len(words) == 2 and words[0] in ("-e", "-f", "-d", "-x", "-r", "-w", "-s"):
        return _is(shell, words[0], shell.path(words[1]))
    if len(words) != 3:
        raise ValueError
    left, operator, right = words
    if operator in ("=", "==", "!="):
        return (left == right) == (operator != "!=")
    a, b = int(left), int(right)
    return {"-eq": a == b, "-ne": a != b, "-lt": a < b, "-le": a <= b, "-gt": a > b, "-ge": a >= b}[operator]


def _is(shell: Shell, test: str, path: str) -> bool:
    files = shell.phone.files
    try:
        node = files.node(path, shell.process.pid)
        if test == "-w":
            files.check_writable(path)
    except FileError:
        return False
    folder = node.content is None
    return {"-f": not folder, "-d": folder, "-x": bool(node.mode & 0o111), "-s": node.size_bytes > 0}.get(test, True)


def _seq(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    numbers = [int(word) for word in arguments[1:]]
    first = numbers[0] if len(numbers) > 1 else 1
    pipes.say("".join(f"{number}\n" for number in range(first, numbers[-1] + 1)))
    return 0


def _basename(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    pipes.say(arguments[1].rstrip("/").rpartition("/")[2] + "\n")
    return 0


def _dirname(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    pipes.say((arguments[1].rstrip("/").rpartition("/")[0] or ".") + "\n")
    return 0


PROGRAMS: Mapping[str, Program] = {
    "echo": _echo,
    "printf": _printf,
    "head": _head,
    "tail": _tail,
    "grep": _grep,
    "wc": _wc,
    "sort": _sort,
    "uniq": _uniq,
    "cut": _cut,
    "tr": _tr,
    "tee": _tee,
    "test": _test,
    "[": _test,
    "seq": _seq,
    "basename": _basename,
    "dirname": _dirname,
}
