"""Kernel signatures as table keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evit_nas.errors import InputError
from evit_nas.graph.kernel import KernelSignature, TensorType
from evit_nas.graph.opgraph import DTYPE_BYTES

types = st.builds(
    TensorType,
    st.lists(st.integers(1, 2048), max_size=6).map(tuple),
    st.sampled_from(sorted(DTYPE_BYTES)),
    st.booleans(),
)
values = st.integers(-9, 9) | st.booleans() | st.text(max_size=8) | st.lists(st.integers(0, 9), max_size=4).map(tuple)
signatures = st.builds(
    KernelSignature,
    st.sampled_from(("CONV_2D", "ADD", "CUSTOM:X")),
    st.lists(types, max_size=3).map(tuple),
    st.lists(types, min_size=1, max_size=2).map(tuple),
    st.dictionaries(st.text(min_size=1, max_size=8), values, max_size=4).map(lambda d: tuple(sorted(d.items()))),
)
CONV = KernelSignature(
    "CONV_2D",
    (TensorType((1, 8, 8, 4)), TensorType((16, 1, 1, 4), constant=True), TensorType((16,), constant=True)),
    (TensorType((1, 8, 8, 16)),),
    (("padding", "VALID"), ("stride_h", 1)),
)


@given(signatures)
def test_a_key_is_its_signature(signature: KernelSignature) -> None:
    assert KernelSignature.parse(signature.key) == signature


def test_the_key_is_one_fixed_text() -> None:
    assert CONV.key == (
        '{"attrs":{"padding":"VALID","stride_h":1},'
        '"in":["1x8x8x4:float32","16x1x1x4:float32:const","16:float32:const"],'
        '"kind":"CONV_2D","out":["1x8x8x16:float32"]}'
    )


def test_bytes() -> None:
    assert CONV.activation_bytes == 4 * (256 + 1024)
    assert CONV.weight_bytes == 4 * (64 + 16)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        CONV.key + " ",
        CONV.key.replace("float32", "float33"),
        CONV.key.replace("1x8", "1xx8"),
        CONV.key.replace(":const", ":constant"),
        CONV.key.replace('"kind"', '"sort"'),
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="not a"):
        KernelSignature.parse(text)
