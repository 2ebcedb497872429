"""Programs on processes and time: taskset, timeout, kill, ps, sleep, date, sh, id and their like."""

from __future__ import annotations

import time
from collections.abc import Mapping

from evit_nas.fakephone.interpreter import Shell
from evit_nas.fakephone.process import Process
from evit_nas.fakephone.program import PATH, Pipes, Program

_SIGNALS = {"HUP": 1, "INT": 2, "KILL": 9, "TERM": 15}
_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def _taskset(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    """toybox: `taskset MASK COMMAND...`, `taskset -p [MASK] PID`."""
    words = [word for word in arguments[1:] if word not in ("-p", "-a", "-ap", "-pa")]
    if len(words) < len(arguments) - 1:
        return _taskset_pid(shell, words, pipes)
    if len(words) < 2:
        pipes.complain("taskset: needs 2 arguments")
        return 1
    mask = _mask(words[0])
    if mask is None or not _usable(shell, mask):
        pipes.complain(f"taskset: failed to set {shell.process.pid}'s affinity: Invalid argument")
        return 1
    shell.process.mask = mask & shell.phone.all_cores_mask()
    return shell.execute(words[1:], pipes)


def _taskset_pid(shell: Shell, words: list[str], pipes: Pipes) -> int:
    if not words or not words[-1].isdigit():
        pipes.complain("taskset: needs a PID")
        return 1
    process = shell.phone.processes.get(int(words[-1]))
    if process is None:
        pipes.complain(f"taskset: failed to get {words[-1]}'s affinity: No such process")
        return 1
    pipes.say(f"pid {process.pid}'s current affinity mask: {process.mask:x}\n")
    if len(words) == 1:
        return 0
    mask = _mask(words[0])
    if mask is None or not _usable(shell, mask):
        pipes.complain(f"taskset: failed to set {process.pid}'s affinity: Invalid argument")
        return 1
    process.mask = mask & shell.phone.all_cores_mask()
    pipes.say(f"pid {process.pid}'s new affinity mask: {process.mask:x}\n")
    return 0


def _mask(text: str) -> int | None:
    try:
        return int(text, 16)
    except ValueError:
        return None


def _usable(shell: Shell, mask: int) -> bool:
    return any(mask >> core & 1 for core in shell.phone.online_cores())


def _seconds(text: str) -> float | None:
    number, unit = (text[:-1], text[-1]) if text[-1:] in _SECONDS and text[-1:] else (text, "")
    try:
        return float(number) * _SECONDS[unit]
    except ValueError:
        return None


def _timeout(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    words = arguments[1:]
    while words and words[0].startswith("-"):
        words = words[2 if words[0] in ("-s", "-k") else 1 :]
    seconds = _seconds(words[0]) if len(words) > 1 else None
    if seconds is None:
        pipes.complain("timeout: needs SECONDS COMMAND...")
        return 125
    shell.process.deadline_s = shell.phone.clock.now_s() + seconds
    return shell.execute(words[1:], pipes)


def _sleep(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    seconds = _seconds(arguments[1]) if len(arguments) > 1 else None
    if seconds is None:
        pipes.complain("sleep: needs SECONDS")
        return 1
    shell.phone.spend(shell.process, seconds, "shell")
    return 0


def _kill(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    signal, pids = 15, arguments[1:]
    if pids and pids[0].startswith("-"):
        name = pids.pop(0).lstrip("-").removeprefix("SIG")
        signal = int(name) if name.isdigit() else _SIGNALS.get(name, 15)
    code = 0
    for pid in pids:
        process = shell.phone.processes.get(int(pid)) if pid.isdigit() else None
        if process is None:
            pipes.complain(f"kill: bad pid '{pid}'")
            code = 1
        elif signal:
            process.kill(signal)
    return code


def _named(shell: Shell, name: str) -> list[Process]:
    return [process for process in shell.phone.running() if process.name == name]


def _pidof(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    found = [process.pid for name in arguments[1:] for process in _named(shell, name)]
    if found:
        pipes.say(" ".join(map(str, found)) + "\n")
    return int(not found)


def _pkill(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    words = [word for word in arguments[1:] if not word.startswith("-")]
    signal = next((int(word[1:]) for word in arguments[1:] if word[1:].isdigit()), 15)
    found = [process for name in words for process in _named(shell, name)]
    for process in found:
        process.kill(signal)
    return int(not found)


def _ps(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    pipes.say("USER           PID  PPID     VSZ    RSS WCHAN            ADDR S NAME\n")
    others = ["com.example.game"] if shell.phone.crowded() else []
    rows = [(1, 0, "init"), *((900 + i, 1, name) for i, name in enumerate(others))]
    rows += [(p.pid, p.parent.pid if p.parent else 1, p.name) for p in shell.phone.running()]
    for pid, parent, name in rows:
        pipes.say(f"shell        {pid:>5} {parent:>5}   12000   3000 0                   0 S {name}\n")
    return 0


def _top(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    share = 95.0 if shell.phone.crowded() else 0.3
    name = "com.example.game" if shell.phone.crowded() else "surfaceflinger"
    cores = len(shell.phone.online_cores())
    pipes.say(f"{cores}00%cpu {share:.0f}%user 0%nice 2%sys {cores * 100 - share:.0f}%idle\n")
    pipes.say(
        f"  PID USER         PR  NI VIRT  RES  SHR S[%CPU] %MEM     TIME+ ARGS\n  900 u0_a1  10 -10 9.0G 200M S {share}"
    )
    pipes.say(f"   2.5   0:10.00 {name}\n")
    return 0


def _date(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    form = arguments[1].removeprefix("+") if len(arguments) > 1 else "%a %b %e %H:%M:%S GMT %Y"
    now_s = shell.phone.clock.epoch_s()
    form = form.replace("%s", str(int(now_s))).replace("%N", f"{int(now_s % 1 * 1e9):09d}")
    pipes.say(time.strftime(form, time.gmtime(now_s)) + "\n")
    return 0


def _uptime(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    now_s = int(shell.phone.clock.now_s())
    load = "4.20, 3.90, 3.10" if shell.phone.crowded() else "0.12, 0.20, 0.18"
    pipes.say(f" up {now_s // 3600}:{now_s // 60 % 60:02d},  0 users,  load average: {load}\n")
    return 0


def _sh(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    if len(arguments) > 2 and arguments[1].startswith("-") and "c" in arguments[1]:
        return shell.run(arguments[2], pipes)
    if len(arguments) > 1:
        return shell.run(shell.phone.files.read(shell.path(arguments[1])).decode("utf-8", errors="replace"), pipes)
    return shell.run(pipes.read().decode("utf-8", errors="replace"), pipes)


def _run_rest(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    """nohup, setsid, env and nice without options: run the command behind them."""
    words = arguments[1:]
    while words and ("=" in words[0] or words[0].startswith("-")):
        words = words[1:]
    return shell.execute(words, pipes) if words else 0


def _id(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    pipes.say("2000\n" if "-u" in arguments else "uid=2000(shell) gid=2000(shell) groups=2000(shell)\n")
    return 0


def _whoami(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    pipes.say("shell\n")
    return 0


def _uname(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    option = arguments[1] if len(arguments) > 1 else "-s"
    whole = "Linux localhost 5.10.149-android12-9 #1 SMP PREEMPT aarch64 Toybox"
    pipes.say({"-m": "aarch64", "-r": "5.10.149-android12-9", "-a": whole}.get(option, "Linux") + "\n")
    return 0


def _nproc(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    cores = [core for core in shell.phone.online_cores() if shell.process.mask >> core & 1]
    pipes.say(f"{len(cores)}\n")
    return 0


def _pwd(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    pipes.say(f"{shell.folder}\n")
    return 0


def _which(shell: Shell, arguments: list[str], pipes: Pipes) -> int:
    missing = shell.phone.faulty("no-taskset")
    found = [name for name in arguments[1:] if name in shell.commands and not (name == "taskset" and missing)]
    pipes.say("".join(f"{PATH}/{name}\n" for name in found))
    return int(len(found) < len(arguments) - 1)


PROGRAMS: Mapping[str, Program] = {
    "taskset": _taskset,
    "timeout": _timeout,
    "sleep": _sleep,
    "kill": _kill,
    "pkill": _pkill,
    "pidof": _pidof,
    "pgrep": _pidof,
    "ps": _ps,
    "top": _top,
    "date": _date,
    "uptime": _uptime,
    "sh": _sh,
    "nohup": _run_rest,
    "setsid": _run_rest,
    "env": _run_rest,
    "nice": _run_rest,
    "id": _id,
    "whoami": _whoami,
    "uname": _uname,
    "nproc": _nproc,
    "pwd": _pwd,
    "which": _which,
    "true": lambda shell, arguments, pipes: 0,
    "false": lambda shell, arguments, pipes: 1,
    "sync": lambda shell, arguments, pipes: 0,
}
