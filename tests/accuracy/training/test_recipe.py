from __future__ import annotations

from pathlib import Path

import pytest

from evit_nas.accuracy.data.catalogue import DATASETS
from evit_nas.accuracy.training.recipe import load_recipe, recipe_from_yaml
from evit_nas.errors import InputError

HEAD = "schema: evit-nas/recipe-1\nresolution: 64x96\nepochs: 5\n"


def test_a_short_recipe_takes_the_defaults() -> None:
    recipe = recipe_from_yaml(HEAD, "r.yaml")
    assert (recipe.resolution, recipe.epochs, recipe.batch) == ((64, 96), 5, 8)


def test_zero_switches_off() -> None:
    recipe = recipe_from_yaml(HEAD + "ema: 0\nclass_weights: 0.0\naugmentation: {colour: 0, flip: false}\n", "r.yaml")
    assert (recipe.ema, recipe.class_weights, recipe.augmentation.colour) == (0.0, 0.0, 0.0)
    assert recipe.augmentation.scale_max == 2.0


def test_later_keys_do_not_make_an_old_training_another_one() -> None:
    recipe = recipe_from_yaml(HEAD, "r.yaml")
    assert "layer_decay" not in recipe.facts()
    assert recipe.facts()["augmentation"] == {"scale_min": 0.5, "scale_max": 2.0, "flip": True, "colour": 0.2}
    later = recipe_from_yaml(HEAD + "layer_decay: 0.8\nauxiliary: 0.4\n", "r.yaml")
    assert later.facts() == recipe.facts() | {"layer_decay": 0.8, "auxiliary": 0.4}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("learning_rat: 0.1", "r.yaml:4: learning_rat: unknown key; did you mean 'learning_rate'"),
        ("learning_rate: 0", "learning_rate: 0 is not a number above 0"),
        ("learning_rate: fast", "'fast' is not a number"),
        ("ema: false", "ema: False is not a number"),
        ("batch: 0", "batch: 0 is not an integer from 1"),
        ("batch: 6\naccumulate: 4", "a batch of 6 cannot be cut in 4"),
        ("augmentation: {scale_min: 3}", "scale_min 3 is above scale_max 2"),
        ("augmentation: {rotate: 3}", "augmentation.rotate: unknown key"),
        ("epochs: 3", "given twice"),
        ("layer_decay: 1.5", "layer_decay: 1.5 is not a number above 0"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(line: str, message: str) -> None:
    with pytest.raises(InputError, match=message.replace("{", r"\{")):
        recipe_from_yaml(HEAD + line + "\n", "r.yaml")


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_data_set_has_its_recipe(dataset: str) -> None:
    recipe = load_recipe(dataset, epochs=3, resolution=(32, 64))
    assert (recipe.epochs, recipe.resolution) == (3, (32, 64))
    assert load_recipe(dataset).epochs > 3


def test_a_recipe_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(HEAD)
    assert load_recipe(tmp_path / "mine.yaml").epochs == 5
    with pytest.raises(InputError, match="no such recipe"):
        load_recipe(tmp_path / "absent.yaml")
