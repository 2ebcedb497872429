"""`evit-nas supernet train`, `evaluate` and `extract`: one set of weights for a space, and members out of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evit_nas.errors import InputError
from evit_nas.files import write_text
from evit_nas.space.arch import ArchConfig, Resolution, resolution_text
from evit_nas.space.space import Candidate, SearchSpace, load_space
from evit_nas.workflows.progress import Progress, Silent
from evit_nas.workflows.step_lock import step_lock
from evit_nas.workflows.supernet_setting import Setting, make_setting, member_network, score_member, score_network
from evit_nas.workflows.train_init import start_from
from evit_nas.workflows.training_folder import (
    HISTORY,
    REPORTS,
    RESULT,
    STATE,
    loaders,
    open_folder,
    recipe_batches,
    recipe_loss,
    tell_epoch,
    training_request,
)
from evit_nas.workflows.training_results import (
    EvaluateResult,
    SupernetExtractResult,
    SupernetTrainResult,
    evaluate_result,
)

if TYPE_CHECKING:
    from evit_nas.accuracy.data.dataset import Split
    from evit_nas.accuracy.training.engine import Job
    from evit_nas.accuracy.training.processes import Processes
    from evit_nas.accuracy.training.state import EpochRow

SUPERNET = "supernet.safetensors"


def supernet_train(
    space: str | Path,
    *,
    dataset: str,
    root: Path | None = None,
    epochs: int | None = None,
    recipe: str | Path | None = None,
    resolution: Resolution | None = None,
    init: Path | None = None,
    largest_every: int = 1,
    out: Path | None = None,
    resume: bool = False,
    seed: int = 0,
    threads: int = 1,
    progress: Progress | None = None,
) -> SupernetTrainResult:
    """Train a supernet over a space of one head dim; scores its largest and its smallest member on val.

    The largest member's input is `resolution`, else the recipe's; smaller ones of the space are trained too. `init`
    starts from the weights of a network or of another supernet, of whatever shape. The largest is
    trained in one of `largest_every` steps (sampling.Sandwich). Each epoch is kept, as in `train`.
    """
    from evit_nas.accuracy.supernet.checkpoint import space_text, with_classes
    from evit_nas.accuracy.supernet.hull import check_head_dim
    from evit_nas.accuracy.supernet.sampling import at_most
    from evit_nas.accuracy.training.processes import join

    found = load_space(space)
    check_head_dim(found)
    if found.spec.task != "seg":
        raise InputError(f"space {found.name}: its networks classify; a supernet is trained for segmentation")
    where = out or Path(REPORTS) / f"supernet-{found.name}-{dataset}-seed{seed}"
    open_folder(where, resume=resume)
    if largest_every < 1:
        raise InputError(f"--largest-every {largest_every}: at least 1")
    setting = make_setting(dataset, root, recipe or dataset, epochs, resolution, seed, threads, progress)
    setting = replace(setting, largest_every=largest_every)
    group = join(setting.device)
    setting = setting if group.first else replace(setting, progress=Silent())
    whole = with_classes(found, len(setting.dataset.classes))
    bounded = at_most(whole, setting.recipe.resolution)
    largest, smallest = _run(setting, group, bounded, space_text(space), where, init=init, resume=resume)
    result = SupernetTrainResult(
        checkpoint=where / SUPERNET,
        largest_miou=largest,
        smallest_miou=smallest,
        space=found.name,
        dataset=dataset,
        resolution=resolution_text(setting.recipe.resolution),
        epochs=setting.recipe.epochs,
        seed=seed,
        history=where / HISTORY,
    )
    if group.first:
        write_text(where / RESULT, json.dumps(result.to_json(), indent=2) + "\n")
    return result


def supernet_evaluate(
    checkpoint: Path,
    arch: str | Path | ArchConfig,
    *,
    dataset: str,
    root: Path | None = None,
    recipe: str | Path | None = None,
    split: str | None = None,
    resolution: Resolution | None = None,
    seed: int = 0,
    threads: int = 1,
    progress: Progress | None = None,
) -> EvaluateResult:
    """mIoU of a member, its BatchNorm statistics estimated from training images (as many as the recipe says)."""
    from evit_nas.accuracy.data.held_out import check_unseen

    setting = make_setting(dataset, root, recipe or dataset, None, None, seed, threads, progress)
    network, size, about = member_network(checkpoint, arch, resolution, setting)
    chosen = split or ("test" if "test" in setting.dataset.splits else "val")
    check_unseen(about.notes.get("dataset", ""), dataset, chosen)
    setting.progress.start(len(setting.dataset.split(chosen)), f"evaluating on {dataset} {chosen}, images")
    began = time.monotonic()
    scores = score_network(network, setting, chosen, size, advance=setting.progress.advance)
    return evaluate_result(scores, dataset=dataset, split=chosen, resolution=size, seconds=time.monotonic() - began)


def supernet_extract(
    checkpoint: Path,
    arch: str | Path | ArchConfig,
    *,
    dataset: str,
    root: Path | None = None,
    recipe: str | Path | None = None,
    resolution: Resolution | None = None,
    out: Path = Path("network.safetensors"),
    seed: int = 0,
    threads: int = 1,
    progress: Progress | None = None,
) -> SupernetExtractResult:
    """Write a member as a checkpoint of its own, its BatchNorm statistics estimated from training images."""
    from evit_nas.model.checkpoint import save_checkpoint
    from evit_nas.model.description import Description

    setting = make_setting(dataset, root, recipe or dataset, None, None, seed, threads, progress)
    network, size, about = member_network(checkpoint, arch, resolution, setting)
    notes = {"supernet": checkpoint.name, "statistics": f"{setting.recipe.norm_images} images of {dataset}"}
    description = Description(
        arch=network.arch,
        resolution=size,
        class_names=about.class_names,
        normalisation=about.normalisation,
        notes={**about.notes, **notes},
    )
    save_checkpoint(out, network, description)
    return SupernetExtractResult(checkpoint=out, resolution=resolution_text(size), dataset=dataset)


def _run(
    setting: Setting,
    group: Processes,
    space: SearchSpace,
    text: str,
    out: Path,
    *,
    init: Path | None,
    resume: bool,
) -> tuple[float, float]:
    """Train and save; mIoU of the largest and of the smallest member."""
    from evit_nas.accuracy.data.batches import Cached
    from evit_nas.accuracy.data.check import check_labels
    from evit_nas.accuracy.supernet.checkpoint import About, save_supernet
    from evit_nas.accuracy.supernet.sampling import Sandwich
    from evit_nas.accuracy.supernet.supernet import Supernet
    from evit_nas.accuracy.supernet.training import train_supernet
    from evit_nas.accuracy.training import engine

    check_labels(setting.dataset.split("val"), "val", len(setting.dataset.classes))
    examples, sandwich = Cached(setting.dataset.split("train")), Sandwich(space, setting.seed, setting.largest_every)
    largest, smallest = sandwich.ends

    def scored(supernet: Any, end: Candidate) -> float:
        return score_member(supernet, end, setting, examples)

    what = {"space": text, "largest_every": setting.largest_every}
    request = training_request(what, setting.dataset, setting.recipe, setting.seed, init)
    job = _job(setting, group, examples, out, request, lambda supernet: scored(supernet, largest))
    supernet, goes_on = Supernet(space), resume and job.state_path.is_file()
    if init is not None and not goes_on:
        start_from(init, supernet, out if group.first else None, setting.progress.note)
    state = engine.resume(supernet, job) if goes_on else engine.start(supernet, job)
    setting.progress.start(job.total - state.step, f"training a supernet of {space.name}, steps")
    trained = train_supernet(state, job, sandwich)
    notes = {"dataset": setting.dataset.name, "epochs": str(setting.recipe.epochs), "seed": str(setting.seed)}
    about = About(
        space_text=text, class_names=setting.dataset.classes, resolution=setting.recipe.resolution, notes=notes
    )
    if group.first:
        save_supernet(out / SUPERNET, trained, about)
    return scored(trained, largest), scored(trained, smallest)


def _job(
    setting: Setting, group: Processes, examples: Split, out: Path, request: str, validate: Callable[[Any], float]
) -> Job:
    from evit_nas.accuracy.training.engine import Job

    recipe = setting.recipe

    def told(history: list[EpochRow]) -> None:
        if group.first:
            metric = setting.dataset.metric
            tell_epoch(history, metric, recipe.epochs, out, setting.progress, "largest member's ")

    return Job(
        recipe=recipe,
        batches=recipe_batches(recipe, examples, setting.seed, group),
        loss=recipe_loss(recipe, setting.dataset, examples, setting.device),
        request=request,
        state_path=out / STATE,
        validate=validate,
        device=setting.device,
        workers=loaders(setting.threads),
        processes=group,
        hold=group.together(step_lock(setting.progress.note)),
        on_step=setting.progress.advance,
        on_epoch=told,
    )
