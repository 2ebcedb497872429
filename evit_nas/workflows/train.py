"""`evit-nas train`: one network on one data set, from scratch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evit_nas.errors import InputError
from evit_nas.files import folder, write_text
from evit_nas.space.arch import ArchConfig, Resolution, SegHead, check_resolution
from evit_nas.space.yaml_io import arch_to_yaml
from evit_nas.workflows.candidates import resolve_arch
from evit_nas.workflows.progress import Progress, Silent
from evit_nas.workflows.results import TrainResult
from evit_nas.workflows.step_lock import step_lock

if TYPE_CHECKING:
    from evit_nas.accuracy.data.dataset import Dataset
    from evit_nas.accuracy.evaluation.protocol import Scores
    from evit_nas.accuracy.training.engine import Job
    from evit_nas.accuracy.training.recipe import Recipe
    from evit_nas.accuracy.training.state import EpochRow

REPORTS = "reports"
NETWORK, STATE, HISTORY, RESULT = "network.safetensors", "state.safetensors", "history.csv", "result.json"


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What is trained, how, and where to."""

    name: str
    arch: ArchConfig
    dataset: Dataset
    recipe: Recipe
    seed: int
    threads: int
    out: Path
    progress: Progress

    @property
    def request(self) -> str:
        """What makes two trainings the same one."""
        parts = {
            "architecture": arch_to_yaml(self.arch),
            "dataset": self.dataset.name,
            "images": len(self.dataset.split("train")),
            "recipe": asdict(self.recipe),
            "seed": self.seed,
        }
        return json.dumps(parts, sort_keys=True)


def train(
    arch: str | Path | ArchConfig,
    *,
    dataset: str,
    root: Path | None = None,
    epochs: int | None = None,
    recipe: str | Path | None = None,
    resolution: Resolution | None = None,
    out: Path | None = None,
    resume: bool = False,
    seed: int = 0,
    threads: int = 1,
    progress: Progress | None = None,
) -> TrainResult:
    """Train and score on val. Each epoch is kept: with `resume` a training goes on where it was interrupted.

    `recipe` is the one that ships for the data set unless given. The input is `resolution`, else the architecture
    file's own, else the recipe's. Raises InputError, with the last epoch kept, where the loss is no longer finite.
    """
    from evit_nas.accuracy.data.catalogue import open_dataset
    from evit_nas.accuracy.training.recipe import load_recipe

    found = resolve_arch(arch)
    if found.checkpoint is not None or not isinstance(found.arch.head, SegHead):
        raise InputError(f"{found.name}: training starts from a segmentation architecture: a name or a YAML file")
    data = open_dataset(dataset, root)
    size = resolution or found.resolution
    plan = _Plan(
        name=found.name,
        arch=replace(found.arch, head=replace(found.arch.head, classes=len(data.classes))),
        dataset=data,
        recipe=load_recipe(recipe or dataset, epochs=epochs, resolution=check_resolution(size) if size else None),
        seed=seed,
        threads=threads,
        out=out or Path(REPORTS) / f"train-{found.name}-{dataset}-seed{seed}",
        progress=progress or Silent(),
    )
    _check_out(plan.out, resume=resume)
    scores = _run(plan, resume=resume)
    result = TrainResult(
        checkpoint=plan.out / NETWORK,
        miou=scores.miou,
        per_class=scores.per_class,
        dataset=dataset,
        resolution="x".join(str(side) for side in plan.recipe.resolution),
        epochs=plan.recipe.epochs,
        seed=seed,
        history=plan.out / HISTORY,
    )
    write_text(plan.out / RESULT, json.dumps(result.to_json(), indent=2) + "\n")
    return result


def _check_out(out: Path, *, resume: bool) -> None:
    stored = (out / STATE).is_file()
    if stored and not resume:
        raise InputError(f"{out}: holds a training already; pass --resume to go on with it, or another --out")
    folder(out)


def _run(plan: _Plan, *, resume: bool) -> Scores:
    from evit_nas.accuracy.data.batches import Batches, Cached
    from evit_nas.accuracy.evaluation.models import TorchModel
    from evit_nas.accuracy.evaluation.protocol import evaluate
    from evit_nas.accuracy.training import engine
    from evit_nas.accuracy.training.machine import prepare
    from evit_nas.model.efficientvit import build

    device = prepare(plan.seed, plan.threads)
    examples = Cached(plan.dataset.split("train"))
    recipe, hold = plan.recipe, step_lock(plan.progress.note)

    def scored(network: Any) -> Scores:
        return evaluate(TorchModel(network=network), plan.dataset, "val", recipe.resolution, hold=hold)

    batches = Batches(
        split=examples, size=recipe.resolution, batch=recipe.batch, augmentation=recipe.augmentation, seed=plan.seed
    )
    job = engine.Job(
        recipe=recipe,
        batches=batches,
        loss=_loss(plan, examples, device),
        request=plan.request,
        state_path=plan.out / STATE,
        validate=lambda network: scored(network).miou,
        device=device,
        workers=_workers(plan.threads),
        hold=hold,
        on_step=plan.progress.advance,
        on_epoch=lambda history: _tell(plan, history),
    )
    network = build(plan.arch)
    state = engine.resume(network, job) if resume and job.state_path.is_file() else engine.start(network, job)
    plan.progress.start(job.total - state.step, f"training {plan.name} on {plan.dataset.name}, steps")
    trained = engine.train(state, job)
    scores = scored(trained)
    _save(plan, job, trained, scores)
    return scores


def _workers(threads: int) -> int:
    """One loader beside several compute threads; with a single thread the loader would only take turns with it."""
    return 1 if threads > 1 else 0


def _loss(plan: _Plan, examples: Any, device: Any) -> Any:
    from evit_nas.accuracy.training.loss import class_weights, pixel_loss

    power, weights = plan.recipe.class_weights, None
    if power:
        weights = class_weights(examples, len(plan.dataset.classes), power).to(device)
    return pixel_loss(weights, plan.recipe.label_smoothing)


def _tell(plan: _Plan, history: list[EpochRow]) -> None:
    row = history[-1]
    scored = "" if row.miou is None else f", val mIoU {row.miou:.2f}"
    plan.progress.note(f"epoch {row.epoch}/{plan.recipe.epochs}: loss {row.loss:.4f}{scored}, {row.seconds:.0f} s")
    lines = [",".join(asdict(row))]
    lines += [",".join("" if value is None else f"{value:.6g}" for value in asdict(r).values()) for r in history]
    write_text(plan.out / HISTORY, "\n".join(lines) + "\n")


def _save(plan: _Plan, job: Job, network: Any, scores: Scores) -> None:
    from evit_nas.model.checkpoint import save_checkpoint
    from evit_nas.model.description import Description

    notes = {
        "dataset": plan.dataset.name,
        "epochs": str(plan.recipe.epochs),
        "seed": str(plan.seed),
        "steps": str(job.total),
        "val_miou": f"{scores.miou:.4f}",
    }
    description = Description(
        arch=plan.arch, resolution=plan.recipe.resolution, class_names=plan.dataset.classes, notes=notes
    )
    save_checkpoint(plan.out / NETWORK, network, description)
