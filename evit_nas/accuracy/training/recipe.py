"""How a network is trained: a file with strict keys, one for each data set under recipes/.

Warm-up and the moving average are shares of all steps, so that a short training is no other recipe.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from evit_nas.accuracy.data import held_out
from evit_nas.accuracy.data.augment import Augmentation
from evit_nas.errors import InputError
from evit_nas.space.arch import Resolution
from evit_nas.space.document import parse_document, read_text
from evit_nas.space.node import Node

RECIPE_SCHEMA = "evit-nas/recipe-1"
_LATER = {"layer_decay": 1.0, "auxiliary": 0.0}
_OPTIONAL = (
    "batch", "accumulate", "learning_rate", "weight_decay", "warmup", "ema", "clip", "class_weights",
    "label_smoothing", "norm_images", "evaluate_every", "augmentation", "layer_decay", "auxiliary",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """AdamW with a cosine schedule.

    `batch` images make a step, in `accumulate` equal parts. `warmup` and `ema` are shares of all steps: the length of
    the linear warm-up and the horizon of the moving average of the weights (0: none). `clip` bounds the norm of the
    gradient. `class_weights` is the exponent of median / frequency (0: all equal). `norm_images` re-estimate the
    BatchNorm statistics at the end. The validation score is taken every `evaluate_every` epochs and at the end.
    Each stage below the head learns at `layer_decay` times the rate of the one above. `auxiliary` is the weight of the
    loss of a second classifier on stage 3 (0: none).
    """

    resolution: Resolution
    epochs: int
    batch: int = 8
    accumulate: int = 1
    learning_rate: float = 4e-3
    weight_decay: float = 0.05
    warmup: float = 0.05
    ema: float = 0.05
    clip: float = 5.0
    class_weights: float = 0.5
    label_smoothing: float = 0.0
    norm_images: int = 256
    evaluate_every: int = 10
    augmentation: Augmentation = field(default_factory=Augmentation)
    layer_decay: float = 1.0
    auxiliary: float = 0.0

    def facts(self) -> dict[str, Any]:
        """All values, to tell trainings apart. Keys that recipes had not from the first are left out at their default,
        so that a training begun before them can be resumed."""
        values = asdict(self)
        return {key: value for key, value in values.items() if _LATER.get(key) != value}


def recipe_from_yaml(text: str, source: str) -> Recipe:
    """The recipe in `text`. Raises InputError (`source:line: key: what, what would be valid`)."""
    document = parse_document(text, source)
    root = Node(document, document.root)
    fields = root.fields(("schema", "resolution", "epochs"), _OPTIONAL)
    fields["schema"].one_of((RECIPE_SCHEMA,))
    default = Recipe(resolution=(32, 32), epochs=1)
    recipe = Recipe(
        resolution=fields["resolution"].resolution(),
        epochs=fields["epochs"].integer(1, 10_000),
        batch=fields.read("batch", lambda node: node.integer(1, 4096), default.batch),
        accumulate=fields.read("accumulate", lambda node: node.integer(1, 1024), default.accumulate),
        learning_rate=fields.read("learning_rate", lambda node: node.number(0, 10), default.learning_rate),
        weight_decay=fields.read("weight_decay", lambda node: from_zero(node, 10), default.weight_decay),
        warmup=fields.read("warmup", lambda node: from_zero(node, 0.5), default.warmup),
        ema=fields.read("ema", lambda node: from_zero(node, 0.5), default.ema),
        clip=fields.read("clip", lambda node: node.number(0, 1e6), default.clip),
        class_weights=fields.read("class_weights", lambda node: from_zero(node, 1), default.class_weights),
        label_smoothing=fields.read("label_smoothing", lambda node: from_zero(node, 0.5), default.label_smoothing),
        norm_images=fields.read("norm_images", lambda node: node.integer(0, 100_000), default.norm_images),
        evaluate_every=fields.read("evaluate_every", lambda node: node.integer(1, 10_000), default.evaluate_every),
        augmentation=fields.read("augmentation", _read_augmentation, default.augmentation),
        layer_decay=fields.read("layer_decay", lambda node: node.number(0, 1), default.layer_decay),
        auxiliary=fields.read("auxiliary", lambda node: from_zero(node, 1), default.auxiliary),
    )
    if recipe.batch % recipe.accumulate:
        raise root.error(f"a batch of {recipe.batch} cannot be cut in {recipe.accumulate} equal parts")
    return recipe


def _read_augmentation(node: Node) -> Augmentation:
    fields = node.fields((), ("scale_min", "scale_max", "flip", "colour"))
    default = Augmentation()
    augmentation = Augmentation(
        scale_min=fields.read("scale_min", lambda node: node.number(0, 8), default.scale_min),
        scale_max=fields.read("scale_max", lambda node: node.number(0, 8), default.scale_max),
        flip=fields.read("flip", Node.boolean, default.flip),
        colour=fields.read("colour", lambda node: from_zero(node, 1), default.colour),
    )
    if augmentation.scale_min > augmentation.scale_max:
        raise node.error(f"scale_min {augmentation.scale_min:g} is above scale_max {augmentation.scale_max:g}")
    return augmentation


def from_zero(node: Node, high: float) -> float:
    """A number from 0, which switches the thing off, to `high`."""
    return 0.0 if node.value in (0, 0.0) and not isinstance(node.value, bool) else node.number(0, high)


def load_recipe(name: str | Path, *, epochs: int | None = None, resolution: Resolution | None = None) -> Recipe:
    """A recipe file, or the shipped one of a data set; `epochs` and `resolution` replace what it says.

    A data set with drives held out has the recipe of the whole one.
    """
    shipped = recipe_folder() / f"{str(name).removesuffix(held_out.ENDING)}.yaml"
    path = shipped if shipped.is_file() else Path(name)
    if not path.is_file():
        raise InputError(f"{name}: no such recipe; write a file (recipes/README.md says how)")
    recipe = recipe_from_yaml(read_text(path), str(path))
    if epochs is not None and epochs < 1:
        raise InputError(f"--epochs {epochs}: at least 1")
    return replace(recipe, epochs=epochs or recipe.epochs, resolution=resolution or recipe.resolution)


def recipe_folder() -> Path:
    """The recipes that ship: inside of an installed package, else beside it."""
    package = Path(str(resources.files("evit_nas")))
    packaged = package / "_data" / "recipes"
    return packaged if packaged.is_dir() else package.parent / "recipes"
