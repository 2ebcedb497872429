"""Which chip a word or a phone's properties mean, and what is said where they mean none or several."""

from __future__ import annotations

import pytest

from evit_nas.errors import InputError
from evit_nas.soc.registry import FACTS, PART_NAMES, Cluster, differences, resolve, resolve_device, socs


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("sm8450", "SM8450"),
        ("SM8450", "SM8450"),
        ("8450", "SM8450"),
        ("8gen1", "SM8450"),
        ("snapdragon 8 gen 1", "SM8450"),
        ("Qualcomm Snapdragon 8 Gen 1", "SM8450"),
        ("8+ Gen 1", "SM8475"),
        ("8 plus gen 1", "SM8475"),
        ("8 elite", "SM8750"),
        ("855", "SM8150"),
        ("kalama", "SM8550"),
    ],
)
def test_words_resolve(text: str, model: str) -> None:
    assert resolve(text).model == model


def test_taro_is_three_chips() -> None:
    with pytest.raises(InputError, match=r"three chips.*sm8475.*sm8450.*sm7475"):
        resolve("taro")


def test_unknown_word_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'sm8450'"):
        resolve("sm84500")


@pytest.mark.parametrize("soc", socs(), ids=lambda soc: soc.id)
def test_entries_are_consistent(soc: object) -> None:
    from evit_nas.soc.registry import FACTS, Soc

    assert isinstance(soc, Soc)
    cores = [core for cluster in soc.clusters for core in cluster.cores]
    assert cores == list(range(8))
    assert soc.verified <= set(FACTS)
    assert all(cluster.part in PART_NAMES for cluster in soc.clusters)
    assert resolve(soc.id) is soc
    assert resolve(soc.name) is soc


def test_names_are_unique() -> None:
    assert len({soc.id for soc in socs()}) == len(socs()) == 19


def test_facts_are_marked() -> None:
    soc = resolve("sm8450")
    assert "parts" in soc.verified
    assert "clocks" not in soc.verified
    assert all(soc.verified <= set(FACTS) for soc in socs())


def test_phone_by_its_properties() -> None:
    assert resolve_device({"ro.soc.model": "SM8450", "ro.board.platform": "taro"}).model == "SM8450"
    assert resolve_device({"ro.board.platform": "kona"}).model == "SM8250"
    assert resolve_device({"ro.board.platform": "taro"}, "Qualcomm Technologies, Inc SM8475").model == "SM8475"
    assert resolve_device({}, "Qualcomm Technologies, Inc SDM845").model == "SDM845"
    with pytest.raises(InputError, match="three chips"):
        resolve_device({"ro.board.platform": "taro"})
    with pytest.raises(InputError, match="names no SoC"):
        resolve_device({})


def test_masks_and_prime() -> None:
    soc = resolve("sm8450")
    assert [f"{cluster.mask:02x}" for cluster in soc.clusters] == ["0f", "70", "80"]
    assert soc.prime.part_name == "Cortex-X2"


def test_differences_from_the_phone_are_told() -> None:
    soc = resolve("sm8450")
    assert differences(soc, soc.clusters) == ()
    fast = Cluster(role="prime", cores=(7,), part="41:d48", peak_khz=3_187_200)
    (told,) = differences(soc, (*soc.clusters[:2], fast))
    assert "cpu7" in told
    assert "3187200" in told
    (told,) = differences(soc, soc.clusters[:2])
    assert "the phone has cpus [0, 1, 2, 3, 4, 5, 6]" in told
