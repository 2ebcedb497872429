"""adb's transport packets (AOSP packages/modules/adb/protocol.txt): a header of six words and a payload."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

VERSION = 0x01000001  # from this on, checksums are not looked at
MAX_PAYLOAD_BYTES = 1 << 20
_HEADER = struct.Struct("<6I")


def _word(name: str) -> int:
    return int.from_bytes(name.encode(), "little")


CNXN, AUTH, OPEN, OKAY, CLSE, WRTE = (_word(name) for name in ("CNXN", "AUTH", "OPEN", "OKAY", "CLSE", "WRTE"))
AUTH_TOKEN, AUTH_SIGNATURE, AUTH_PUBLIC_KEY = 1, 2, 3


class Packet(NamedTuple):
    command: int
    arg0: int
    arg1: int
    payload: bytes = b""


class BadPacket(Exception):
    """Bytes that are no packet of this protocol."""


def encode(packet: Packet) -> bytes:
    checksum = sum(packet.payload) & 0xFFFFFFFF
    magic = packet.command ^ 0xFFFFFFFF
    return _HEADER.pack(*packet[:3], len(packet.payload), checksum, magic) + packet.payload


def receive(connection: socket.socket) -> Packet:
    """The next packet. Raises EOFError, OSError, BadPacket."""
    command, arg0, arg1, size, _, magic = _HEADER.unpack(_exactly(connection, _HEADER.size))
    if magic != command ^ 0xFFFFFFFF or size > MAX_PAYLOAD_BYTES:
        raise BadPacket
    return Packet(command, arg0, arg1, _exactly(connection, size))


def _exactly(connection: socket.socket, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        piece = connection.recv(size - len(received))
        if not piece:
            raise EOFError
        received += piece
    return bytes(received)
