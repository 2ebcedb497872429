"""The phone's files beside this machine's: out before a program, back after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from evit_nas.fakephone.arm64.mirror import Mirror
from evit_nas.fakephone.filesystem import FileError, FileSystem

TMP = "/data/local/tmp"


class Setting:
    """A file system whose kernel files and refusal can be changed."""

    def __init__(self, folder: Path) -> None:
        self.kernel: dict[str, str | None] = {"/proc/cpuinfo": "eight", "/proc/self/status": "x", "/sys/secret": None}
        self.refusal = 0
        self.files = FileSystem(lambda pid: self.kernel, lambda: 1.0, lambda: self.refusal)
        self.mirror = Mirror(self.files, folder)


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting(tmp_path)


def test_files_go_out_as_they_are(setting: Setting, tmp_path: Path) -> None:
    setting.files.write(f"{TMP}/model", b"12", 0o600)
    setting.mirror.send()
    assert (tmp_path / "data/local/tmp/model").read_bytes() == b"12"
    assert (tmp_path / "proc/cpuinfo").read_text() == "eight"
    assert not (tmp_path / "proc/self").exists()
    assert not (tmp_path / "sys/secret").exists()
    setting.kernel["/proc/cpuinfo"] = "seven"
    setting.files.remove(f"{TMP}/model")
    setting.mirror.send()
    assert (tmp_path / "proc/cpuinfo").read_text() == "seven"
    assert not (tmp_path / "data/local/tmp/model").exists()


def test_what_a_program_changed_comes_back(setting: Setting, tmp_path: Path) -> None:
    for name in ("kept", "changed", "removed"):
        setting.files.write(f"{TMP}/{name}", b"old")
    setting.mirror.send()
    here = tmp_path / "data/local/tmp"
    (here / "changed").write_bytes(b"new and longer")
    (here / "removed").unlink()
    (here / "made").mkdir()
    (here / "made" / "deep").write_bytes(b"\0\1")
    setting.mirror.fetch()
    assert setting.files.read(f"{TMP}/kept") == b"old"
    assert setting.files.read(f"{TMP}/changed") == b"new and longer"
    assert setting.files.read(f"{TMP}/made/deep") == b"\0\1"
    assert not setting.files.exists(f"{TMP}/removed")


def test_a_file_that_the_phone_refuses_is_thrown_away(setting: Setting, tmp_path: Path) -> None:
    setting.mirror.send()
    setting.refusal = 28
    (tmp_path / "data/local/tmp/profile").write_bytes(b"1")
    setting.mirror.fetch()
    assert not (tmp_path / "data/local/tmp/profile").exists()
    with pytest.raises(FileError):
        setting.files.read(f"{TMP}/profile")


def test_links_are_not_followed(setting: Setting, tmp_path: Path) -> None:
    setting.mirror.send()
    (tmp_path / "secret").write_text("of this machine")
    (tmp_path / "data/local/tmp/link").symlink_to(tmp_path / "secret")
    setting.mirror.fetch()
    assert not setting.files.exists(f"{TMP}/link")
