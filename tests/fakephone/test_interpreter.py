"""The shell's language: what a driver of phones writes must mean here what it means on a phone."""

from __future__ import annotations

import time

import pytest

from evit_nas.fakephone.cost_model import DEFAULT
from evit_nas.fakephone.interpreter import Shell
from evit_nas.fakephone.phone import Phone
from evit_nas.fakephone.program import Pipes
from evit_nas.fakephone.programs import PROGRAMS, TOOLS
from evit_nas.soc.registry import resolve


def said(text: str, stdin: bytes = b"") -> tuple[str, str, int]:
    phone = Phone(resolve("sm8450"), DEFAULT)
    out, err = bytearray(), bytearray()
    shell = Shell(phone, phone.start("sh"), PROGRAMS, TOOLS)
    code = shell.run(text, Pipes(lambda: stdin, out.extend, err.extend))
    return out.decode(), err.decode(), code


@pytest.mark.parametrize(
    ("text", "out"),
    [
        ("echo a  b", "a b\n"),
        ("echo 'a  b' \"c  d\"", "a  b c  d\n"),
        ("X=3; echo \"$X ${X}y\" '$X'", "3 3y $X\n"),
        ("false; echo $?", "1\n"),
        ("false || echo or && echo and", "or\nand\n"),
        ("! false && echo yes", "yes\n"),
        ("echo $(echo in; echo side)", "in side\n"),
        ("echo `echo old`", "old\n"),
        ("for i in a b 'c d'; do echo <$i> ; done", ""),
        ("for i in a b 'c d'; do echo [$i]; done", "[a]\n[b]\n[c d]\n"),
        ("if [ 1 -lt 2 ]; then echo less; elif true; then echo no; else echo more; fi", "less\n"),
        ("if false; then echo a; else echo b; fi", "b\n"),
        ('n=0; while [ $n != xxx ]; do n=$n"x"; n=${n}; [ $n = 0xx ] && n=xxx; done; echo $n', "xxx\n"),
        ("{ echo 1; echo 2; } | tail -n 1", "2\n"),
        ("(cd /data; pwd); pwd", "/data\n/\n"),
        ("cd /data/local/tmp && echo hi > f && cat f && cat < f", "hi\nhi\n"),
        ("cd /sdcard; echo a > f; echo b >> f; cat f | wc -l", "2\n"),
        ("nosuch 2>/dev/null; echo $?", "127\n"),
        ("echo both 2>&1 | cat", "both\n"),
        ("cat /nope 2>&1 | grep -c 'No such file'", "1\n"),
        ("echo /sys/class/thermal/thermal_zone*/type | wc -w", "4\n"),
        ("echo '/sys/class/*'", "/sys/class/*\n"),
        ("command -v taskset; command -v nosuch || echo none", "/system/bin/taskset\nnone\n"),
        ("echo a # the rest is not read\necho b", "a\nb\n"),
        ("echo 'it''s' \\$5 \"\\$5\"", "its $5 $5\n"),
        ("sleep 1 & wait; echo $?", "0\n"),
        (
            "mkdir -p /data/local/tmp/a/b; ls -d /data/local/tmp/a; rm -rf /data/local/tmp/a; ls /data/local/tmp",
            "/data/local/tmp/a\n",
        ),
        ("timeout 5 sleep 60; echo $?", "124\n"),
        ("sh -c 'exit 4'; echo $?", "4\n"),
        ("printf '%s=%s\\n' a 1", "a=1\n"),
    ],
)
def test_language(text: str, out: str) -> None:
    assert said(text)[0] == out


def test_exit_ends_the_line() -> None:
    assert said("echo a; exit 7; echo b") == ("a\n", "", 7)
    assert said("(exit 3); echo $?")[0] == "3\n"


@pytest.mark.parametrize(
    "text", ["echo 'open", "if true; then", "for x in a; echo", "echo $((1+1))", "| cat", "a &&", ")"]
)
def test_what_it_cannot_read_is_an_error(text: str) -> None:
    out, err, code = said(text)
    assert (out, code) == ("", 1)
    assert err.startswith("sh: syntax error")


def test_a_kill_ends_a_sleeping_process_of_a_phone_in_real_time() -> None:
    phone = Phone(resolve("sm8450"), DEFAULT, time_scale=1.0)
    out, start_s = bytearray(), time.monotonic()
    shell = Shell(phone, phone.start("sh"), PROGRAMS, TOOLS)
    shell.run("sleep 60 & sleep 0.1; kill -9 $!; wait; echo done", Pipes(lambda: b"", out.extend, out.extend))
    assert out.endswith(b"done\n")
    assert time.monotonic() - start_s < 10


def test_no_path_leads_out_of_the_phone() -> None:
    assert said("cat /etc/passwd")[2] == 1
    assert said("cat //etc/passwd")[2] == 1
    assert said("cat /data/../../etc/passwd")[2] == 1
