"""What trainings of one network and of a supernet share: the folder that they write, batches, loss, history."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from evit_nas.errors import InputError
from evit_nas.files import folder, write_text
from evit_nas.report.manifest import metric_name
from evit_nas.workflows.progress import Progress
from evit_nas.workflows.train_init import digest

if TYPE_CHECKING:
    import torch

    from evit_nas.accuracy.data.batches import Batches
    from evit_nas.accuracy.data.dataset import Dataset, Split
    from evit_nas.accuracy.training.loss import Loss
    from evit_nas.accuracy.training.processes import Processes
    from evit_nas.accuracy.training.recipe import Recipe
    from evit_nas.accuracy.training.state import EpochRow

REPORTS = "reports"
STATE, HISTORY, RESULT = "state.safetensors", "history.csv", "result.json"


def open_folder(out: Path, *, resume: bool) -> Path:
    """Make `out`, without what a killed write left in it. Raises InputError where a training lies there already and is
    not to be resumed."""
    if (out / STATE).is_file() and not resume:
        raise InputError(f"{out}: holds a training already; pass --resume to go on with it, or another --out")
    for half in out.glob(f".{STATE}.*"):
        half.unlink(missing_ok=True)
    return folder(out)


def training_request(what: Mapping[str, object], dataset: Dataset, recipe: Recipe, seed: int, init: Path | None) -> str:
    """What makes two trainings the same one, as JSON; `what` says what is trained."""
    parts = {
        **what,
        "dataset": dataset.name,
        "images": len(dataset.split("train")),
        "recipe": recipe.facts(),
        "seed": seed,
        "init": digest(init) if init else None,
    }
    return json.dumps({key: value for key, value in parts.items() if value is not None}, sort_keys=True)


def recipe_loss(recipe: Recipe, dataset: Dataset, examples: Split, device: torch.device) -> Loss:
    """The loss of the recipe, its class weights taken from the labels of `examples`."""
    from evit_nas.accuracy.training.loss import class_weights, image_loss, pixel_loss

    power, weights = recipe.class_weights, None
    if power:
        weights = class_weights(examples, len(dataset.classes), power).to(device)
    make = image_loss if dataset.task == "cls" else pixel_loss
    return make(weights, recipe.label_smoothing)


def recipe_batches(recipe: Recipe, examples: Split, seed: int, processes: Processes) -> Batches:
    """The batches of the recipe; of several processes, this one's parts."""
    from evit_nas.accuracy.data.batches import Batches

    return Batches(
        split=examples,
        size=recipe.resolution,
        batch=recipe.batch,
        augmentation=recipe.augmentation,
        seed=seed,
        share=processes.share(recipe.batch, recipe.accumulate),
    )


def loaders(threads: int) -> int:
    """One loader beside several compute threads; with a single thread the loader would only take turns with it."""
    return 1 if threads > 1 else 0


def tell_epoch(
    history: Sequence[EpochRow], metric: str, epochs: int, out: Path, progress: Progress, whose: str = ""
) -> None:
    """Say how the last epoch went and write the history, the score in a column called by its `metric`."""
    row = history[-1]
    scored = "" if row.score is None else f", {whose}val {metric_name(metric)} {row.score:.2f}"
    progress.note(f"epoch {row.epoch}/{epochs}: loss {row.loss:.4f}{scored}, {row.seconds:.0f} s")
    lines = [",".join(metric if name == "score" else name for name in asdict(row))]
    lines += [",".join("" if value is None else f"{value:.6g}" for value in asdict(r).values()) for r in history]
    write_text(out / HISTORY, "\n".join(lines) + "\n")
