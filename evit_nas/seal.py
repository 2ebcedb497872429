"""A checksum inside of an exported file over all of the file, whatever its format.

The file is written with a placeholder among its text entries; `seal` puts the SHA-256 of the whole content in its
place. The digest has the placeholder's length, so no offset in the file moves.
"""

from __future__ import annotations

import hashlib
import re

from evit_nas.errors import InputError

PREFIX = "evit_nas."  # of the name of every text entry of this tool, so that its files are known by any one of them
SEAL_ENTRY = PREFIX + "seal"
_MARK = b"evit-nas-seal:"
PLACEHOLDER = _MARK.decode() + "0" * 64
_SEAL = re.compile(re.escape(_MARK) + rb"[0-9a-f]{64}")


def seal(content: bytes) -> bytes:
    """`content`, which holds the placeholder once, with its digest in place. Raises ValueError where it does not."""
    if content.count(PLACEHOLDER.encode()) != 1:
        raise ValueError("the file to seal must hold the placeholder exactly once")
    return content.replace(PLACEHOLDER.encode(), _MARK + hashlib.sha256(content).hexdigest().encode())


def check_seal(content: bytes, source: str) -> bool:
    """True for an intact file of this tool, False for a file of another tool. Raises InputError for an altered one."""
    seals = _SEAL.findall(content)
    if not seals and _MARK not in content and SEAL_ENTRY.encode() not in content:
        return False  # the prefix alone proves nothing: converters write module paths of this package into names
    if len(seals) != 1 or seal(content.replace(seals[0], PLACEHOLDER.encode())) != content:
        raise InputError(f"{source}: altered since it was exported (its checksum differs); export it again")
    return True
