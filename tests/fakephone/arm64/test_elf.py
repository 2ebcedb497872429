"""Android programs as glibc's loader takes them."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from evit_nas.fakephone.arm64.elf import NotAndroid, for_glibc, is_arm64
from evit_nas.fakephone.arm64.toolchain import Toolchain


def tags(image: bytes) -> list[int]:
    """Of the dynamic section."""
    table, count = struct.unpack_from("<Q", image, 32)[0], struct.unpack_from("<H", image, 56)[0]
    for i in range(count):
        kind, _, start, _, _, size = struct.unpack_from("<IIQQQQ", image, table + 56 * i)
        if kind == 2:
            return [struct.unpack_from("<Q", image, at)[0] for at in range(start, start + size, 16)]
    raise AssertionError("no dynamic section")


def test_versions_and_other_libraries_are_gone(android: bytes) -> None:
    before, after = tags(android), tags(for_glibc(android))
    assert {0x6FFFFFF0, 0x6FFFFFFE, 0x6FFFFFFF} <= set(before)
    assert not {0x6FFFFFF0, 0x6FFFFFFE, 0x6FFFFFFF} & set(after)
    assert (before.count(1), after.count(1)) == (3, 1)
    assert len(for_glibc(android)) == len(android)


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n" * 20, b"\x7fELF\x02\x01" + b"\0" * 100])
def test_other_files_are_refused(content: bytes) -> None:
    with pytest.raises(NotAndroid, match="64-bit Arm"):
        for_glibc(content)


@pytest.mark.parametrize("size", [64, 100, 500, 1000])
def test_a_program_that_is_cut_off_is_refused(android: bytes, size: int) -> None:
    assert is_arm64(android[:size])
    with pytest.raises(NotAndroid):
        for_glibc(android[:size])


def test_a_program_of_another_system_is_refused(tools: Toolchain) -> None:
    library: Path = tools.libraries[1] / "libc.so.6"
    with pytest.raises(NotAndroid, match=r"not linked to Android's libc\.so"):
        for_glibc(library.read_bytes())
