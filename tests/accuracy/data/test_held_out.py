from __future__ import annotations

from pathlib import Path

import pytest

from evit_nas.accuracy.data.files import Pair
from evit_nas.accuracy.data.held_out import SHARE, check_unseen, drive, held_out
from evit_nas.accuracy.data.layouts import Listing
from evit_nas.errors import InputError


@pytest.fixture
def listings() -> dict[str, Listing]:
    def pairs(drives: range) -> tuple[Pair, ...]:
        names = [f"{number}_{frame:06d}" for number in drives for frame in range(1 + number % 5)]
        return tuple(Pair(image=Path("images") / f"{name}.jpg", label=Path(f"{name}.png")) for name in names)

    return {"train": Listing(pairs=pairs(range(60))), "val": Listing(pairs=pairs(range(100, 110)))}


def test_no_drive_is_on_both_sides_and_no_image_is_lost(listings: dict[str, Listing]) -> None:
    split = held_out(listings)
    sides = [{drive(pair.image) for pair in split[name].pairs} for name in ("train", "val")]
    assert not sides[0] & sides[1]
    assert len(sides[0] | sides[1]) == 60
    assert set(split["train"].pairs) | set(split["val"].pairs) == set(listings["train"].pairs)
    share = len(split["val"].pairs) / len(listings["train"].pairs)
    assert SHARE <= share <= SHARE + 5 / len(listings["train"].pairs)
    assert split["test"] == listings["val"]


def test_a_network_of_the_whole_set_is_not_judged_by_drives_it_has_seen() -> None:
    with pytest.raises(InputError, match="its val was among the training images"):
        check_unseen("idd-lite", "idd-lite-held-out", "val")
    for trained_on, dataset, split in (
        ("idd-lite-held-out", "idd-lite-held-out", "val"),
        ("idd-lite", "idd-lite-held-out", "test"),
        ("idd-lite", "idd-lite", "val"),
    ):
        check_unseen(trained_on, dataset, split)


def test_the_same_drives_whatever_else_there_is(listings: dict[str, Listing]) -> None:
    backwards = {**listings, "train": Listing(pairs=listings["train"].pairs[::-1])}
    assert set(held_out(backwards)["val"].pairs) == set(held_out(listings)["val"].pairs)


def test_drives_of_both_layouts() -> None:
    assert drive(Path("train/images/100_178149.jpg")) == "100"
    assert drive(Path("leftImg8bit/train/100/178149_image.jpg")) == "100"
