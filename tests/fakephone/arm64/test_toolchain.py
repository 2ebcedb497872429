"""What is missing is told in one line; what is there is compiled once."""

from __future__ import annotations

from pathlib import Path

import pytest

from evit_nas.errors import InputError
from evit_nas.fakephone.arm64.toolchain import PACKAGES, Toolchain, toolchain


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError) as error:
        toolchain()
    assert all(name in str(error.value) for name in PACKAGES)
    assert "\n" not in str(error.value)


def test_the_library_is_compiled_once(tools: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = toolchain().libraries[0] / "libc.so"
    made = first.stat().st_mtime_ns
    assert first.is_relative_to(tmp_path)
    assert first.read_bytes()[:4] == b"\x7fELF"
    assert (toolchain().libraries[0] / "libc.so").stat().st_mtime_ns == made
    assert [path.name for path in first.parent.iterdir()] == ["libc.so"]


def test_a_cache_that_cannot_be_written_is_told(
    tools: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(InputError, match="cannot be written"):
        toolchain()
