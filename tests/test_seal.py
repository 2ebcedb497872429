"""A sealed file is intact, altered or foreign; nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evit_nas.errors import InputError
from evit_nas.seal import PLACEHOLDER, SEAL_ENTRY, check_seal, seal

CONTENT = b"head " + SEAL_ENTRY.encode() + b"=" + PLACEHOLDER.encode() + b" weights " + bytes(range(200))


def test_a_sealed_file_is_intact_and_of_the_same_length() -> None:
    sealed = seal(CONTENT)
    assert len(sealed) == len(CONTENT)
    assert check_seal(sealed, "file")


def test_foreign_files_are_not_ours() -> None:
    assert not check_seal(bytes(range(256)), "file")


@given(place=st.integers(0, len(CONTENT) - 1), flip=st.integers(1, 255))
def test_every_changed_byte_is_noticed(place: int, flip: int) -> None:
    altered = bytearray(seal(CONTENT))
    altered[place] ^= flip
    with pytest.raises(InputError, match=r"model\.tflite: altered"):
        check_seal(bytes(altered), "model.tflite")


def test_the_unsealed_placeholder_is_not_a_seal() -> None:
    with pytest.raises(InputError):
        check_seal(CONTENT, "file")


@pytest.mark.parametrize("content", [b"none", CONTENT + CONTENT])
def test_only_files_with_one_placeholder_are_sealed(content: bytes) -> None:
    with pytest.raises(ValueError, match="exactly once"):
        seal(content)
