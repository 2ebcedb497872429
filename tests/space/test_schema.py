from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evit_nas.errors import InputError
from evit_nas.space.dimension import GROUPS
from evit_nas.space.schema import space_from_yaml
from evit_nas.space.space import SearchSpace, load_space, parse_space, shipped_spaces

SMALL = shipped_spaces()["efficientvit-seg-small"]
Make = Callable[..., dict[str, Any]]
Parse = Callable[[dict[str, Any]], SearchSpace]


def _choices(space: SearchSpace, name: str) -> tuple[Any, ...]:
    return next(item.choices for item in space.dimensions if item.name == name)


def test_the_default_space_varies_every_group() -> None:
    varied = {item.group for item in load_space().dimensions if len(item.choices) > 1}
    assert varied == set(GROUPS)
    assert all(item.official for item in load_space().dimensions)


def test_official_values() -> None:
    official = {item.name: [item.choices[i] for i in item.official] for item in load_space().dimensions}
    assert official["stage3.width"] == [64, 128, 192, 256]
    assert official["stage4.depth"] == [2, 4, 6, 9]
    assert official["stage2.block1.msa"] == [False]
    assert official["stage3.block1.msa"] == [True]
    assert official["stage3.block1.scales"] == [(5,)]
    assert official["head.final_expand"] == [4]
    assert official["head_dim"] == [16, 32]
    assert official["resolution"] == [(1024, 2048)]
    small = {
        item.name: [item.choices[i] for i in item.official] for item in load_space("efficientvit-seg-small").dimensions
    }
    assert small["resolution"] == [(224, 320)]  # none of the published sizes is there: the nearest


def test_blocks_and_down_have_their_own_choices(base: Make, space_of: Parse) -> None:
    space = space_of(
        base(
            stage3={
                "depth": [1, 2],
                "expand": [2, 4],
                "down": {"expand": [6]},
                "blocks": {"2": {"msa": [False], "kernel": [5, 7]}},
            }
        )
    )
    assert _choices(space, "stage3.down.expand") == (6,)
    assert _choices(space, "stage3.down.kernel") == (3,)
    assert _choices(space, "stage3.block1.msa") == (True,)
    assert _choices(space, "stage3.block2.msa") == (False,)
    assert _choices(space, "stage3.block2.expand") == (2, 4)
    assert _choices(space, "stage3.block2.kernel") == (5, 7)


def test_resolutions_by_aspect(base: Make, space_of: Parse) -> None:
    wide = base(resolution={"short_side": {"from": 96, "to": 192, "step": 96}, "aspect": "3:4"})
    assert space_of(wide).resolutions == ((96, 128), (192, 256))
    tall = base(resolution={"short_side": [64], "aspect": "2:1"})
    assert space_of(tall).resolutions == ((128, 64),)
    with pytest.raises(InputError, match="both sides must be multiples of 32"):
        space_of(base(resolution={"short_side": [64], "aspect": "4:5"}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stage1": {"msa": [True]}}, r"stages\[0\].msa: unknown key"),
        ({"stage1": {"depth": [0]}}, r"stages\[0\].depth\[0\]: 0 is not an integer from 1"),
        ({"stage3": {"width": [64, 72]}}, r"stages\[2\]: width 72 is a multiple of no head_dim \(16\)"),
        ({"head_dim": [16, 48]}, r"stages\[2\]: no width is a multiple of head_dim 48"),
        ({"stage3": {"scales": [5]}}, "is not a list of scales such as"),
        ({"stage3": {"blocks": {"3": {}}}}, r"stages\[2\].blocks.3: unknown key; valid: 1"),
        ({"head": {"stride": [16]}}, r"head: stride 16 needs the choice \[4, 3\] among inputs"),
        ({"head": {"stride": [16], "inputs": [[4, 3], [4, 3, 2]]}}, "need the choice 8 among strides"),
        ({"head": {"depth": "x"}}, "head.depth: 'x' is not an integer"),
        ({"members": ["b4"]}, r"members\[0\]: 'b4': valid: b0, b1,"),
        ({"members": ["b0"]}, r"tiny.yaml: member b0 is not in the space: stage1.depth is 2; the space has 1"),
        ({"members": ["b0-cls"]}, r"members\[0\]: 'b0-cls'"),
        ({"resolution": ["64x60"]}, "nearest legal size 64x64"),
        ({"resolution": {"short_side": [64], "aspect": "wide"}}, "is not height:width"),
        ({"task": "cls"}, "head.depth: unknown key; valid: activation, widths"),
        ({"widht": 1}, "widht: unknown key"),
    ],
)
def test_refusals(changes: dict[str, Any], message: str, base: Make, space_of: Parse) -> None:
    with pytest.raises(InputError, match=message) as error:
        space_of(base(**changes))
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("tiny.yaml:")


@pytest.mark.parametrize("name", shipped_spaces())
def test_every_cut_of_a_shipped_space_is_an_error(name: str) -> None:
    text = shipped_spaces()[name].rstrip()
    for length in range(0, len(text), 7):
        with pytest.raises(InputError):
            space_from_yaml(text[:length], "cut.yaml")


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_mutated_files_give_a_usable_space_or_an_input_error(data: st.DataObject) -> None:
    raw = bytearray(SMALL.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw) - 1))
        end = data.draw(st.integers(at, min(len(raw), at + 12)))
        raw[at:end] = data.draw(st.binary(max_size=4) | st.sampled_from((b"[", b"]", b"0", b"64", b", 3", b"\n")))
    message = ""
    try:
        space = parse_space(raw.decode("utf-8", errors="replace"), "mutated.yaml")
    except InputError as error:
        message = str(error)
    else:
        assert space.size() >= 1
        assert space.contains(space.sample(0, 1)[0].arch, space.sample(0, 1)[0].resolution) is None
    assert "\n" not in message


def test_the_example_in_the_readme_is_a_space() -> None:
    readme = Path(__file__).parents[2] / "search_spaces" / "README.md"
    text = readme.read_text(encoding="utf-8")
    example = text.partition("```yaml\n")[2].partition("```")[0]
    assert parse_space(example, "example.yaml").size() > 1000
    for key in re.findall(r"(\w+):", SMALL.partition("schema")[2]):
        assert f"`{key}`" in text or f"{key}:" in text, key
