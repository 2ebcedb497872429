"""What trainings of one network and of a supernet share: the folder that they write, batches, loss, history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from evit_nas.errors import InputError
from evit_nas.files import folder, write_text
from evit_nas.workflows.progress import Progress

if TYPE_CHECKING:
    import torch

    from evit_nas.accuracy.data.batches import Batches
    from evit_nas.accuracy.data.dataset import Split
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


def recipe_loss(recipe: Recipe, examples: Split, classes: int, device: torch.device) -> Loss:
    """The loss of the recipe, its class weights taken from the labels of `examples`."""
    from evit_nas.accuracy.training.loss import class_weights, pixel_loss

    power, weights = recipe.class_weights, None
    if power:
        weights = class_weights(examples, classes, power).to(device)
    return pixel_loss(weights, recipe.label_smoothing)


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


def tell_epoch(history: Sequence[EpochRow], epochs: int, out: Path, progress: Progress, what: str) -> None:
    """Say how the last epoch went and write the history; `what` is whose mIoU was taken."""
    row = history[-1]
    scored = "" if row.miou is None else f", {what} {row.miou:.2f}"
    progress.note(f"epoch {row.epoch}/{epochs}: loss {row.loss:.4f}{scored}, {row.seconds:.0f} s")
    lines = [",".join(asdict(row))]
    lines += [",".join("" if value is None else f"{value:.6g}" for value in asdict(r).values()) for r in history]
    write_text(out / HISTORY, "\n".join(lines) + "\n")
