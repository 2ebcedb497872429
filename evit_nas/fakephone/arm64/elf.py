"""Android programs (ELF, AArch64) changed so that glibc's loader takes them.

Bionic's loader and glibc's differ in little: the names of symbol versions (`LIBC` against `GLIBC_2.17`), a sentinel at
the start of the array of early constructors, and the libraries that a program names. Offsets and tags: System V ABI,
"Dynamic Section"; ELF for the Arm 64-bit Architecture.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

AARCH64 = 183
_LOAD, _DYNAMIC = 1, 2
_NEEDED, _STRTAB, _SYMTAB = 1, 5, 6
_RELOCATIONS = ((7, 8), (23, 2))  # tags of the address and the size of each table
_DROPPED = frozenset((0x6FFFFFF0, 0x6FFFFFFE, 0x6FFFFFFF, 32, 33))  # versions and their number, early constructors
_IGNORED = 0x6FFFF000  # a tag of the range for operating systems that no loader reads
_SYMBOL_BYTES = _RELOCATION_BYTES = 24
_WEAK = 2
C_LIBRARY = "libc.so"
# what only a GPU delegate calls: without a value here, where a phone has it
_GRAPHICS = re.compile(rb"e?gl[A-Z]\w*|A(HardwareBuffer|NativeWindow|SurfaceTexture)\w*")


class NotAndroid(ValueError):
    """Not a program for Android on 64-bit Arm that is linked to its C library; the message says what it is."""


def is_arm64(content: bytes) -> bool:
    """Whether these are the bytes of a 64-bit little-endian ELF file for Arm."""
    return content[:6] == b"\x7fELF\x02\x01" and struct.unpack_from("<H", content, 18)[0] == AARCH64


def for_glibc(content: bytes) -> bytes:
    """The program for glibc's loader: no symbol versions, no early constructors, `libc.so` its one library.

    Raises NotAndroid.
    """
    if len(content) < 64 or not is_arm64(content):
        raise NotAndroid("not for 64-bit Arm")
    try:
        return _changed(bytearray(content))
    except (struct.error, IndexError):
        raise NotAndroid("a damaged ELF file") from None


def _changed(image: bytearray) -> bytes:
    segments = list(_segments(image))
    dynamic = [(start, size) for kind, start, _, size in segments if kind == _DYNAMIC]
    if not dynamic:
        raise NotAndroid("linked statically, which is not supported")
    entries = list(_dynamic(image, *dynamic[0]))
    loads = [(start, address, size) for kind, start, address, size in segments if kind == _LOAD]
    values = {tag: value for _, tag, value in entries if tag != _NEEDED}
    strings, symbols = (_offset(loads, values.get(tag, -1)) for tag in (_STRTAB, _SYMTAB))
    needed = {at: _text(image, strings + value) for at, tag, value in entries if tag == _NEEDED}
    if C_LIBRARY.encode() not in needed.values():
        raise NotAndroid(f"not linked to Android's {C_LIBRARY}")
    for at, tag, _ in entries:
        if tag in _DROPPED or needed.get(at, b"libc.so") != C_LIBRARY.encode():
            struct.pack_into("<Q", image, at, _IGNORED)
    for place in set(_used_symbols(image, loads, values)):
        _let_graphics_be_absent(image, symbols + place * _SYMBOL_BYTES, strings)
    return bytes(image)


def _segments(image: bytearray) -> Iterator[tuple[int, int, int, int]]:
    """Type, place in the file, address and size in the file of each program header."""
    table, size, count = *struct.unpack_from("<Q", image, 32), *struct.unpack_from("<HH", image, 54)
    for i in range(count):
        kind, _, start, address, _, length = struct.unpack_from("<IIQQQQ", image, table + i * size)
        yield kind, start, address, length


def _dynamic(image: bytearray, start: int, size: int) -> Iterator[tuple[int, int, int]]:
    """Place, tag and value of each entry of the dynamic section."""
    for at in range(start, start + size, 16):
        tag, value = struct.unpack_from("<QQ", image, at)
        if tag == 0:
            return
        yield at, tag, value


def _offset(loads: list[tuple[int, int, int]], address: int) -> int:
    """Where an address lies in the file."""
    for start, first, size in loads:
        if first <= address < first + size:
            return start + address - first
    raise NotAndroid("an ELF file without a symbol table")


def _used_symbols(image: bytearray, loads: list[tuple[int, int, int]], values: dict[int, int]) -> Iterator[int]:
    """Numbers of the symbols that relocations name."""
    for address, size in _RELOCATIONS:
        if address in values:
            start = _offset(loads, values[address])
            for at in range(start, start + values.get(size, 0), _RELOCATION_BYTES):
                yield struct.unpack_from("<Q", image, at + 8)[0] >> 32


def _let_graphics_be_absent(image: bytearray, at: int, strings: int) -> None:
    name, info, _, section = struct.unpack_from("<IBBH", image, at)
    if section == 0 and _GRAPHICS.fullmatch(_text(image, strings + name)):
        image[at + 4] = _WEAK << 4 | info & 0xF


def _text(image: bytearray, at: int) -> bytes:
    return bytes(image[at : image.index(0, at)])
