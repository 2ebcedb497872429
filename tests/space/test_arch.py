from __future__ import annotations

import pytest

from evit_nas.errors import InputError
from evit_nas.space.arch import NAMED_ARCHS, check_resolution, heads, named_arch, parse_resolution


@pytest.mark.parametrize(("text", "size"), [("512x1024", (512, 1024)), (" 32x32 ", (32, 32)), ("9984x32", (9984, 32))])
def test_resolutions(text: str, size: tuple[int, int]) -> None:
    assert parse_resolution(text) == size
    assert check_resolution(size) == size


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "500x1000",
            "resolution 500x1000: both sides must be multiples of 32, at least 32; nearest legal size 512x992",
        ),
        ("1x1", "nearest legal size 32x32"),
        ("512", "resolution '512': not HEIGHTxWIDTH"),
        ("512x1024x3", "not HEIGHTxWIDTH"),
        ("-32x32", "not HEIGHTxWIDTH"),
        ("0x32", "not HEIGHTxWIDTH"),
        ("99999x32", "at most four digits each"),
        ("٣٢x32", "not HEIGHTxWIDTH"),
        ("32x32\n32x32", "not HEIGHTxWIDTH"),
    ],
)
def test_illegal_resolutions(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        parse_resolution(text)
    assert "\n" not in str(error.value)


def test_a_side_beyond_the_largest_names_it() -> None:
    with pytest.raises(InputError, match="at most 9984; nearest legal size 9984x64"):
        check_resolution((999_968, 64))


def test_heads_are_at_least_one() -> None:
    assert heads(64, 16, 1.0) == 4
    assert heads(64, 16, 0.5) == 2
    assert heads(16, 32, 0.5) == 1


def test_named_archs_are_distinct_networks_with_the_official_eps() -> None:
    archs = [named_arch(name) for name in NAMED_ARCHS]
    assert len(set(archs)) == len(archs)
    assert {arch.eps for arch in archs} == {1e-15}
    assert [arch.head_dim for arch in archs[:4]] == [16, 16, 32, 32]
    with pytest.raises(InputError, match="unknown architecture 'b0-sgd'"):
        named_arch("b0-sgd")
