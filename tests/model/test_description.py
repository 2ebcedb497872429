"""What a file says about itself survives the round trip, and nonsense is refused in one line."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evit_nas.errors import InputError
from evit_nas.model.description import Description, Normalisation, described, pack, parse
from evit_nas.seal import PREFIX
from evit_nas.space.arch import named_arch

FULL = Description(
    arch=named_arch("b1", upsample="bicubic"),
    resolution=(512, 1024),
    normalisation=Normalisation(mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 0.5)),
    class_names=tuple(f"class {i}" for i in range(19)),
    untrained=True,
    output="argmax",
    notes={"dataset": "cityscapes", "epochs": "3"},
)


@pytest.mark.parametrize("description", [FULL, Description(arch=named_arch("b0-cls"))], ids=["full", "default"])
def test_round_trip(description: Description) -> None:
    entries = {**pack(description), "other.tool": "kept out"}
    assert described(entries)
    assert parse(entries, "file") == description


def test_entries_of_other_tools_describe_nothing() -> None:
    assert not described({"format": "pt", "min_runtime_version": "1.5.0"})


@pytest.mark.parametrize("name", sorted(pack(FULL)))
def test_a_lost_entry_is_named(name: str) -> None:
    entries = pack(FULL)
    del entries[name]
    with pytest.raises(InputError, match=f"x.tflite.*lacks {name.removeprefix(PREFIX)}"):
        parse(entries, "x.tflite")


def test_another_format_version_is_named() -> None:
    with pytest.raises(InputError, match="format '7' of another version"):
        parse({**pack(FULL), PREFIX + "format": "7"}, "x.tflite")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("normalisation", "[]"),
        ("normalisation", '{"mean": [0, 0, 0], "std": [1, 1, 0]}'),
        ("normalisation", '{"mean": [0, 0], "std": [1, 1]}'),
        ("class_names", '{"a": 1}'),
        ("class_names", '["only one"]'),
        ("untrained", "maybe"),
        ("output", "pixels"),
        ("notes", "[1]"),
        ("notes", "{"),
        ("architecture", "stem: 3"),
    ],
)
def test_nonsense_is_refused(name: str, text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse({**pack(FULL), PREFIX + name: text}, "x.onnx")
    assert "\n" not in str(caught.value)


@given(name=st.sampled_from(sorted(pack(FULL))), text=st.text(max_size=60))
def test_arbitrary_texts_are_refused_or_read(name: str, text: str) -> None:
    try:
        found = parse({**pack(FULL), name: text}, "file")
    except InputError:
        return
    assert isinstance(found, Description)


def test_the_tool_that_wrote_it_is_kept() -> None:
    older = replace(FULL, tool="0.0.1")
    assert parse(pack(older), "file").tool == "0.0.1"
