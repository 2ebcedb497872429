"""`evit-nas train`: one network on one data set, from scratch or from other weights.

A network that segments is trained on images with a class for each pixel, one that classifies on whole images.
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evit_nas.errors import InputError
from evit_nas.files import write_text
from evit_nas.space.arch import ArchConfig, Resolution, check_resolution, resolution_text
from evit_nas.space.yaml_io import arch_to_yaml
from evit_nas.workflows.candidates import resolve_arch
from evit_nas.workflows.progress import Progress, Silent
from evit_nas.workflows.step_lock import step_lock
from evit_nas.workflows.train_init import start_from
from evit_nas.workflows.training_folder import (
    HISTORY,
    REPORTS,
    RESULT,
    loaders,
    open_folder,
    recipe_batches,
    recipe_loss,
    tell_epoch,
    training_request,
)
from evit_nas.workflows.training_folder import STATE as STATE
from evit_nas.workflows.training_results import TrainResult

if TYPE_CHECKING:
    import torch

    from evit_nas.accuracy.data.dataset import Dataset, Split
    from evit_nas.accuracy.evaluation.base import Scores
    from evit_nas.accuracy.evaluation.board import Board
    from evit_nas.accuracy.training.engine import Job
    from evit_nas.accuracy.training.loss import Loss
    from evit_nas.accuracy.training.processes import Processes
    from evit_nas.accuracy.training.recipe import Recipe
    from evit_nas.accuracy.training.state import EpochRow, State

NETWORK = "network.safetensors"
BOARD = "tensorboard"


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What is trained, how, and where to."""

    name: str
    arch: ArchConfig
    dataset: Dataset
    recipe: Recipe
    init: Path | None
    seed: int
    threads: int
    device: torch.device
    processes: Processes
    out: Path
    progress: Progress


def train(
    arch: str | Path | ArchConfig,
    *,
    dataset: str,
    root: Path | None = None,
    epochs: int | None = None,
    recipe: str | Path | None = None,
    resolution: Resolution | None = None,
    init: Path | None = None,
    out: Path | None = None,
    resume: bool = False,
    seed: int = 0,
    threads: int = 1,
    tensorboard: bool = False,
    progress: Progress | None = None,
) -> TrainResult:
    """Train and score on val. Each epoch is kept: with `resume` a training goes on where it was interrupted.

    `recipe` is the one that ships for the data set unless given. The input is `resolution`, else the architecture
    file's own, else the recipe's. `init` is a checkpoint or a supernet to start from, of whatever shape. Under torchrun
    each process takes its part of every batch. Raises InputError, with the last epoch kept, where the loss is no longer
    finite.
    """
    from evit_nas.accuracy.data.catalogue import open_dataset
    from evit_nas.accuracy.training import processes
    from evit_nas.accuracy.training.machine import prepare
    from evit_nas.accuracy.training.recipe import load_recipe

    found = resolve_arch(arch)
    if found.checkpoint is not None:
        raise InputError(
            f"{found.name}: training starts from an architecture, a name or a YAML file; "
            "give weights to start from as --init FILE"
        )
    data = open_dataset(dataset, root)
    if found.arch.task != data.task:
        valid = "b0..b3" if data.task == "seg" else "b0-cls..b3-cls"
        raise InputError(
            f"{found.name}: a {found.arch.task} network, data set {dataset} is for {data.task}; try {valid}"
        )
    size = resolution or found.resolution
    loaded = load_recipe(recipe or dataset, epochs=epochs, resolution=check_resolution(size) if size else None)
    where = open_folder(out or Path(REPORTS) / f"train-{found.name}-{dataset}-seed{seed}", resume=resume)
    device = prepare(seed, threads)
    group = processes.join(device)
    plan = _Plan(
        name=found.name,
        arch=replace(found.arch, head=replace(found.arch.head, classes=len(data.classes))),
        dataset=data,
        recipe=loaded,
        init=init,
        seed=seed,
        threads=threads,
        device=device,
        processes=group,
        out=where,
        progress=progress if progress is not None and group.first else Silent(),
    )
    with _board(plan, wanted=tensorboard) as board:
        scores = _run(plan, resume=resume, board=board)
    return _result(plan, scores)


def _board(plan: _Plan, *, wanted: bool) -> AbstractContextManager[Board | None]:
    if not wanted or not plan.processes.first:
        return nullcontext()
    from evit_nas.accuracy.evaluation.board import Board

    return closing(Board(plan.out / BOARD, plan.dataset, plan.recipe.resolution))


def _run(plan: _Plan, *, resume: bool, board: Board | None) -> Scores:
    from evit_nas.accuracy.data.batches import Cached
    from evit_nas.accuracy.data.check import check_labels
    from evit_nas.accuracy.evaluation.models import TorchModel
    from evit_nas.accuracy.evaluation.protocol import evaluate
    from evit_nas.accuracy.training import engine

    examples = Cached(plan.dataset.split("train"))
    check_labels(plan.dataset.split("val"), "val", len(plan.dataset.classes))
    hold = plan.processes.together(step_lock(plan.progress.note))

    def scored(network: Any) -> Scores:
        model = TorchModel(network=network)
        if board is not None:
            board.predictions(model)
        return evaluate(model, plan.dataset, "val", plan.recipe.resolution, hold=hold)

    job = engine.Job(
        recipe=plan.recipe,
        batches=recipe_batches(plan.recipe, examples, plan.seed, plan.processes),
        loss=_loss(plan, examples),
        request=training_request(
            {"architecture": arch_to_yaml(plan.arch)}, plan.dataset, plan.recipe, plan.seed, plan.init
        ),
        state_path=plan.out / STATE,
        validate=lambda network: scored(network).value,
        device=plan.device,
        workers=loaders(plan.threads),
        processes=plan.processes,
        hold=hold,
        on_step=plan.progress.advance,
        on_epoch=lambda history: _tell(plan, history, board),
    )
    state = _state(plan, job, resume=resume)
    plan.progress.start(job.total - state.step, f"training {plan.name} on {plan.dataset.name}, steps")
    trained = engine.train(state, job)
    scores = scored(trained)
    if plan.processes.first:
        _save(plan, job, trained, scores, state.history)
    return scores


def _loss(plan: _Plan, examples: Split) -> Loss:
    from evit_nas.accuracy.training.auxiliary import auxiliary_loss

    loss = recipe_loss(plan.recipe, plan.dataset, examples, plan.device)
    if plan.recipe.auxiliary and plan.dataset.task == "cls":
        raise InputError(f"auxiliary {plan.recipe.auxiliary:g}: the second classifier is one of pixels; set it to 0")
    return auxiliary_loss(loss, plan.recipe.auxiliary) if plan.recipe.auxiliary else loss


def _state(plan: _Plan, job: Job, *, resume: bool) -> State:
    """Where the training begins: as it was stored, or a fresh network, or one with the weights of `init`."""
    from evit_nas.accuracy.training import engine
    from evit_nas.accuracy.training.auxiliary import WithAuxiliary
    from evit_nas.model.efficientvit import build

    goes_on = resume and job.state_path.is_file()
    network = build(plan.arch)
    if plan.init is not None and not goes_on:
        start_from(plan.init, network, plan.out if plan.processes.first else None, plan.progress.note)
    whole = WithAuxiliary(network) if plan.recipe.auxiliary else network
    return engine.resume(whole, job) if goes_on else engine.start(whole, job)


def _tell(plan: _Plan, history: list[EpochRow], board: Board | None) -> None:
    if plan.processes.first:
        tell_epoch(history, plan.dataset.metric, plan.recipe.epochs, plan.out, plan.progress)
    if board is not None:
        board.epoch(history[-1])


def _save(plan: _Plan, job: Job, network: torch.nn.Module, scores: Scores, history: list[EpochRow]) -> None:
    from evit_nas.model.checkpoint import save_checkpoint
    from evit_nas.model.description import Description
    from evit_nas.report.figures import write_figure
    from evit_nas.report.manifest import metric_name
    from evit_nas.report.training_figures import draw_curves

    notes = {
        "dataset": plan.dataset.name,
        "epochs": str(plan.recipe.epochs),
        "seed": str(plan.seed),
        "steps": str(job.total),
        f"val_{scores.metric}": f"{scores.value:.4f}",
    }
    description = Description(
        arch=plan.arch, resolution=plan.recipe.resolution, class_names=plan.dataset.classes, notes=notes
    )
    save_checkpoint(plan.out / NETWORK, network, description)
    scored = [(row.epoch, row.score) for row in history if row.score is not None]
    taken = [*scored, (plan.recipe.epochs, scores.value)]
    figure = draw_curves([row.loss for row in history], taken, metric_name(scores.metric))
    write_figure(figure, plan.out, "curves")


def _result(plan: _Plan, scores: Scores) -> TrainResult:
    result = TrainResult(
        checkpoint=plan.out / NETWORK,
        miou=scores.of("miou"),
        top1=scores.of("top1"),
        top5=scores.top5,
        per_class=scores.per_class,
        dataset=plan.dataset.name,
        resolution=resolution_text(plan.recipe.resolution),
        epochs=plan.recipe.epochs,
        seed=plan.seed,
        history=plan.out / HISTORY,
    )
    if plan.processes.first:
        write_text(plan.out / RESULT, json.dumps(result.to_json(), indent=2) + "\n")
    return result
