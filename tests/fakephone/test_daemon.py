"""The real adb client against the fake phone: connection, shell, files, and each fault as the client sees it."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from evit_nas.errors import InputError
from evit_nas.fakephone.faults import Fault
from evit_nas.fakephone.properties import TOOL_PATH
from evit_nas.fakephone.testing import fake_phone

QUICK = "--num_threads=1 --num_runs=5 --min_secs=0 --warmup_min_secs=0"


def pushed(adb: Any, address: str, folder: Path, content: bytes, name: str = "m.tflite") -> subprocess.CompletedProcess:
    local = folder / name
    local.write_bytes(content)
    return adb("-s", address, "push", str(local), f"/data/local/tmp/{name}")


def test_client_sees_a_device(adb: Any) -> None:
    with fake_phone("sm8450") as phone:
        adb.connect(phone.address)
        assert adb("-s", phone.address, "get-state").stdout == "device\n"
        listed = adb("devices", "-l").stdout
        assert f"{phone.address}" in listed
        assert "model:Fake_8_Gen_1" in listed
        fingerprint = adb.shell(phone.address, "getprop ro.build.fingerprint").stdout
        assert fingerprint.startswith("evit-nas/fake")
        assert adb("-s", phone.address, "root").stdout == "adbd cannot run as root in production builds\n"


def test_exit_codes_and_streams(adb: Any) -> None:
    with fake_phone() as phone:
        adb.connect(phone.address)
        done = adb.shell(phone.address, "echo out; echo err >&2; exit 3")
        assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 3)
        assert adb.shell(phone.address, "nosuch").returncode == 127
        done = adb("-s", phone.address, "shell", "cat > /data/local/tmp/x; wc -c /data/local/tmp/x", stdin=b"12345")
        assert done.stdout == "5 /data/local/tmp/x\n"


def test_files_there_and_back(adb: Any, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4000
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "tree" / "deep" / "one").write_bytes(content)
    (tmp_path / "tree" / "two").write_text("2")
    with fake_phone() as phone:
        adb.connect(phone.address)
        assert adb("-s", phone.address, "push", str(tmp_path / "tree"), "/data/local/tmp/tree").returncode == 0
        again = adb("-s", phone.address, "push", "--sync", f"{tmp_path}/tree/.", "/data/local/tmp/tree")
        assert "2 skipped" in again.stdout + again.stderr
        assert adb("-s", phone.address, "pull", "/data/local/tmp/tree", str(tmp_path / "back")).returncode == 0
        assert (tmp_path / "back" / "deep" / "one").read_bytes() == content
        refused = adb("-s", phone.address, "push", str(tmp_path / "tree" / "two"), "/system/two")
        assert refused.returncode == 1
        assert "Read-only file system" in refused.stdout + refused.stderr  # adb 29 tells it on stdout
        missing = adb("-s", phone.address, "pull", "/data/local/tmp/none", str(tmp_path / "none"))
        assert missing.returncode == 1


def test_two_phones_do_not_mix(adb: Any) -> None:
    with fake_phone("sm8450") as one, fake_phone("sm8550") as two:
        adb.connect(one.address)
        adb.connect(two.address)
        adb.shell(one.address, "echo 1 > /data/local/tmp/mine")
        assert adb.shell(one.address, "getprop ro.soc.model").stdout == "SM8450\n"
        assert adb.shell(two.address, "getprop ro.soc.model").stdout == "SM8550\n"
        assert adb.shell(two.address, "cat /data/local/tmp/mine").returncode == 1


def test_port_that_is_taken_is_refused() -> None:
    with fake_phone() as phone, pytest.raises(InputError, match="choose another"), fake_phone(port=phone.port):
        pass


def test_bytes_that_are_no_packets_end_the_connection_only(adb: Any) -> None:
    with fake_phone() as phone:
        with socket.create_connection(("127.0.0.1", phone.port), timeout=5) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\nHost: nobody\r\n\r\n")
            assert stranger.recv(100) == b""
        adb.connect(phone.address)
        assert adb.shell(phone.address, "echo on").stdout == "on\n"


def test_benchmark_runs_the_pushed_model(adb: Any, tmp_path: Path, small_model: bytes, plain_costs: Any) -> None:
    with fake_phone(cost_model=plain_costs) as phone:
        adb.connect(phone.address)
        pushed(adb, phone.address, tmp_path, small_model)
        done = adb.shell(phone.address, f"taskset 80 {TOOL_PATH} --graph=/data/local/tmp/m.tflite {QUICK}")
        assert done.returncode == 0
        # 64 * 16 * 32 MACs and 4 * (1024 + 2048 + 512 + 32) bytes at 1 ns each, and 10 us
        assert "avg=57" in done.stdout or "(all same)" in done.stdout or "Inference (avg): 57" in done.stdout


# --- faults


def test_unplugged_in_a_run_comes_back(adb: Any, tmp_path: Path, small_model: bytes) -> None:
    fault = Fault(fault="unplugged", phase="run", after_s=0.1, for_s=0.5)
    with fake_phone(faults=[fault]) as phone:
        adb.connect(phone.address)
        pushed(adb, phone.address, tmp_path, small_model)
        text = f"{TOOL_PATH} --graph=/data/local/tmp/m.tflite --num_runs=5; echo END=$?"
        done = adb.shell(phone.address, text)
        assert "END=" not in done.stdout
        assert "Inference timings" not in done.stdout
        deadline = time.monotonic() + 20
        while adb.shell(phone.address, "echo back").stdout != "back\n":
            assert time.monotonic() < deadline
            adb("disconnect", phone.address)
            adb("connect", phone.address)
        assert "END=0" in adb.shell(phone.address, text).stdout


def test_unplugged_in_a_push_leaves_no_half_file(adb: Any, tmp_path: Path) -> None:
    fault = Fault(fault="unplugged", phase="push", after_s=0.01, for_s=0.3)
    with fake_phone(faults=[fault]) as phone:
        adb.connect(phone.address)
        assert pushed(adb, phone.address, tmp_path, bytes(5_000_000)).returncode != 0
        assert not phone.phone.files.exists("/data/local/tmp/m.tflite")


def test_unauthorised_then_authorised(adb: Any) -> None:
    with fake_phone(faults=[Fault(fault="unauthorised", for_s=1.5)]) as phone:
        adb("connect", phone.address, timeout_s=30)
        refused = adb.shell(phone.address, "true")
        assert refused.returncode == 1
        assert "unauthorized" in refused.stderr
        deadline = time.monotonic() + 20
        while adb.shell(phone.address, "echo in").stdout != "in\n":
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_offline_is_listed_so(adb: Any) -> None:
    with fake_phone(faults=[Fault(fault="offline", phase="shell", after_s=0.02)]) as phone:
        adb.connect(phone.address)
        adb.shell(phone.address, "true")
        adb.shell(phone.address, "true")
        done = adb.shell(phone.address, "echo reached")
        assert done.returncode != 0
        assert "reached" not in done.stdout


@pytest.mark.parametrize(
    ("fault", "words"), [("disk-full", "No space left on device"), ("read-only", "Read-only file system")]
)
def test_target_that_refuses(adb: Any, tmp_path: Path, fault: str, words: str) -> None:
    with fake_phone(faults=[Fault(fault=fault)]) as phone:
        adb.connect(phone.address)
        done = pushed(adb, phone.address, tmp_path, b"abc")
        assert done.returncode == 1
        assert words in done.stdout + done.stderr
        assert words in adb.shell(phone.address, "echo 1 > /data/local/tmp/x").stderr


def test_corrupt_push_shows_in_the_hash(adb: Any, tmp_path: Path) -> None:
    with fake_phone(faults=[Fault(fault="corrupt-push")]) as phone:
        adb.connect(phone.address)
        assert pushed(adb, phone.address, tmp_path, b"abc").returncode == 0
        told = adb.shell(phone.address, "sha256sum /data/local/tmp/m.tflite").stdout
        assert not told.startswith("ba7816bf")


@pytest.mark.parametrize("code", [139, 137])
def test_tool_that_crashes(adb: Any, tmp_path: Path, small_model: bytes, code: int) -> None:
    with fake_phone(faults=[Fault(fault=f"crash-{code}", phase="run")]) as phone:
        adb.connect(phone.address)
        pushed(adb, phone.address, tmp_path, small_model)
        done = adb.shell(phone.address, f"{TOOL_PATH} --graph=/data/local/tmp/m.tflite {QUICK}; echo END=$?")
        assert f"END={code}" in done.stdout
        assert "Inference timings" not in done.stdout


def test_hanging_tool_ends_by_timeout_or_by_the_client(adb: Any, tmp_path: Path, small_model: bytes) -> None:
    with fake_phone(faults=[Fault(fault="hang", phase="run")]) as phone:
        adb.connect(phone.address)
        pushed(adb, phone.address, tmp_path, small_model)
        text = f"{TOOL_PATH} --graph=/data/local/tmp/m.tflite {QUICK}"
        assert adb.shell(phone.address, f"timeout 30 {text}").returncode == 124
        with pytest.raises(subprocess.TimeoutExpired):
            adb.shell(phone.address, text, timeout_s=1)
        deadline = time.monotonic() + 10
        while adb.shell(phone.address, "pidof benchmark_model").returncode == 0:
            assert time.monotonic() < deadline


@pytest.mark.parametrize("fault", ["truncated-output", "garbage-bytes"])
def test_output_that_is_spoilt(adb: Any, tmp_path: Path, small_model: bytes, fault: str) -> None:
    with fake_phone(faults=[Fault(fault=fault, phase="run")]) as phone:
        adb.connect(phone.address)
        pushed(adb, phone.address, tmp_path, small_model)
        done = adb.shell(phone.address, f"{TOOL_PATH} --graph=/data/local/tmp/m.tflite {QUICK}")
        assert done.returncode == 0
        assert ("Inference timings" not in done.stdout) if fault == "truncated-output" else ("\ufffd" in done.stdout)


def test_old_adbd_sends_no_exit_codes(adb: Any) -> None:
    with fake_phone(faults=[Fault(fault="no-shell-v2")]) as phone:
        adb.connect(phone.address)
        done = adb.shell(phone.address, "echo err >&2; exit 3")
        assert (done.stdout.replace("\r", ""), done.stderr, done.returncode) == ("err\n", "", 0)


def test_slow_link_costs_phone_time(adb: Any, tmp_path: Path) -> None:
    with fake_phone(faults=[Fault(fault="slow-link")]) as phone:
        adb.connect(phone.address)
        before_s = phone.phone.clock.now_s()
        pushed(adb, phone.address, tmp_path, bytes(1_000_000))
        assert phone.phone.clock.now_s() - before_s == pytest.approx(2.0, rel=0.1)
