"""What the tests of programs for arm64 need: the emulator, and a small program as Android's are."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from evit_nas.errors import InputError
from evit_nas.fakephone.arm64.toolchain import Toolchain, toolchain

_GRAPHICS = b"void glClear(unsigned mask) {}"


@pytest.fixture(scope="session")
def tools() -> Toolchain:
    try:
        return toolchain()
    except InputError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def android(tools: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """`program.c` linked to our C library and to symbols of glibc's with their versions, for Android's loader."""
    folder = tmp_path_factory.mktemp("android")
    ours, theirs = tools.libraries
    graphics = _compiled("-shared", "-fPIC", "-nostdlib", "-xc", "-", out=folder / "libGLESv2.so", code=_GRAPHICS)
    options = ["-O1", "-fPIE", "-pie", "-nostdlib", "-Wl,--dynamic-linker=/system/bin/linker64"]
    source = str(Path(__file__).with_name("program.c"))
    libraries = [str(path) for path in (ours / "libc.so", theirs / "libc.so.6", graphics)]
    return _compiled(*options, source, *libraries, out=folder / "program").read_bytes()


def _compiled(*words: str, out: Path, code: bytes = b"") -> Path:
    subprocess.run(["aarch64-linux-gnu-gcc", *words, "-o", str(out)], input=code, check=True)
    return out
