from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evit_nas.errors import InputError
from evit_nas.space.document import MAX_CHARS, parse_document, read_text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1", 1),
        ("a: -3", -3),
        ("a: 1e-15", 1e-15),
        ("a: 1.5", 1.5),
        ("a: true", True),
        ("a: on", "on"),
        ("a: 1:2", "1:2"),
        ("a: 512x1024", "512x1024"),
        ("a: 2001-02-31", "2001-02-31"),
        ("a: 0x10", "0x10"),
        ("a: ~", None),
        ("a:", None),
        ("a: '1'", "1"),
        ("a: [1, [2]]", [1, [2]]),
        ("a: {b: [x]}", {"b": ["x"]}),
    ],
)
def test_plain_values(text: str, value: object) -> None:
    root = parse_document(text, "f.yaml").root
    assert root == {"a": value}
    assert isinstance(root, dict)
    assert type(root["a"]) is type(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "f.yaml: empty file"),
        ("a: 1\na: 2", "f.yaml:2: key 'a' is given twice"),
        ("a: &x [1]\nb: *x", "f.yaml:1: anchors and aliases"),
        ("a: !!python/object:os.system x", "tag"),
        ("? [1]\n: 2", "a key must be a plain word"),
        ("a: " + "[" * 40, "nested deeper"),
        ("a: " + "{b: " * 40, "nested deeper"),
        ("a: " + "9" * 5000, "too long"),
        ("a: 1\n---\nb: 2", "second document"),
        ("a: [1, 2", "f.yaml:1: not valid YAML"),
        ("a: 'x", "not valid YAML"),
        ("a: \x00", "not valid YAML"),
        ("\ud800", "not valid YAML"),
        ("a: b\n" * MAX_CHARS, "longer than"),
    ],
)
def test_refusals_are_one_line(text: str, expected: str) -> None:
    with pytest.raises(InputError, match=expected.replace("[", r"\[")) as error:
        parse_document(text, "f.yaml")
    assert "\n" not in str(error.value)


def test_alias_bomb_is_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 40)]
    with pytest.raises(InputError, match="anchors and aliases"):
        parse_document("\n".join(lines), "bomb.yaml")


@given(st.text(max_size=200) | st.text(alphabet="[]{}:,-?&*!|>'\"\n \t#%@ab1", max_size=200))
def test_any_text_is_a_value_or_an_input_error(text: str) -> None:
    message = ""
    try:
        parse_document(text, "f.yaml")
    except InputError as error:
        message = str(error)
    assert "\n" not in message


def test_reading_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_text(tmp_path / "absent.yaml")
    with pytest.raises(InputError, match="cannot be read"):
        read_text(tmp_path)
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"a: \xff\xfe")
    with pytest.raises(InputError, match="not UTF-8 text"):
        read_text(binary)
    long = tmp_path / "long.yaml"
    long.write_bytes(b"a" * (4 * MAX_CHARS + 1))
    with pytest.raises(InputError, match="longer than"):
        read_text(long)
