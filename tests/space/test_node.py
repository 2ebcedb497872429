from __future__ import annotations

from collections.abc import Callable

import pytest

from evit_nas.errors import InputError
from evit_nas.space.document import parse_document
from evit_nas.space.node import Node


def node(text: str) -> Node:
    document = parse_document(f"x: {text}", "f.yaml")
    return Node(document, document.root).fields(("x",))["x"]


def width(item: Node) -> int:
    return item.integer(8, 64, multiple=8)


def test_values_within_range() -> None:
    assert node("16").integer(8, 64, multiple=8) == 16
    assert node("1").number(0, 2) == 1.0
    assert node("false").boolean() is False
    assert node("[4, 3]").one_of(((4, 3, 2), (4, 3))) == (4, 3)
    assert node("512x1024").resolution() == (512, 1024)
    assert node("[8, 16]").choices(width) == (8, 16)
    assert node("8").choices(width) == (8,)
    assert node("{from: 8, to: 32, step: 8}").integers(8, 64, multiple=8) == (8, 16, 24, 32)


@pytest.mark.parametrize(
    ("text", "read", "message"),
    [
        ("12", width, "f.yaml:1: x: 12 is not a multiple of 8 from 8 to 64"),
        ("true", width, "f.yaml:1: x: True is not a multiple of 8 from 8 to 64"),
        ("1", lambda item: item.one_of((True, False)), "1 is not one of True, False"),
        ("0", lambda item: item.number(0, 1), "0 is not a number above 0, at most 1"),
        ("yes", lambda item: item.boolean(), "'yes' is not true or false"),
        ("relu7", lambda item: item.one_of(("hswish", "relu6")), "did you mean 'relu6'"),
        ("500x1024", lambda item: item.resolution(), "nearest legal size 512x1024"),
        ("512", lambda item: item.resolution(), "HEIGHTxWIDTH"),
        ("99999x32", lambda item: item.resolution(), "four digits"),
        ("[]", lambda item: item.choices(width), "needs 1 to 64 choices, has 0"),
        ("[8, 16, 8]", lambda item: item.choices(width), r"x\[2\]: 8 is given twice"),
        ("{from: 8, to: 60, step: 8}", lambda item: item.integers(8, 64, 4), "no whole number of steps"),
        ("{from: 32, to: 8}", lambda item: item.integers(8, 64, 8), "no whole number of steps"),
        ("{from: 8, to: 32, step: 4}", lambda item: item.integers(8, 64, 8), "steps of a multiple of 8"),
        ("{from: 1, to: 5000}", lambda item: item.integers(1, 5000), "at most 64 choices"),
        ("{a: 1}", lambda item: item.fields(("aa",)), "x.a: unknown key; did you mean 'aa'?"),
        ("{aa: 1}", lambda item: item.fields(("aa", "b")), "key 'b' is missing"),
        ("7", lambda item: item.fields(("aa", "b")), "7 is not a mapping with the keys aa, b"),
    ],
)
def test_refusals_say_what_where_and_what_is_valid(text: str, read: Callable[[Node], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(node(text))
