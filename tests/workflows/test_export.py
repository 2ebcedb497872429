"""Choices of an export that exclude each other."""

from __future__ import annotations

from pathlib import Path

import pytest

import evit_nas
from evit_nas.errors import InputError


def test_the_reference_converter_has_no_row_strips(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="writes no row strips; valid: auto, plain"):
        evit_nas.export("b0", resolution=(64, 64), out=tmp_path / "out", converter="litert-torch", schedule="strips")
    assert not (tmp_path / "out").exists()
