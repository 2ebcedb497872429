"""Training of one network, resumable bit for bit on a CPU with the same number of threads."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import nn

from evit_nas.accuracy.data.batches import WHOLE, Batch, Batches, loading, normalise
from evit_nas.accuracy.training.auxiliary import bare
from evit_nas.accuracy.training.average import Average
from evit_nas.accuracy.training.loss import Loss
from evit_nas.accuracy.training.optimiser import adamw, set_learning_rate
from evit_nas.accuracy.training.processes import ALONE, Hold, Processes
from evit_nas.accuracy.training.recipe import Recipe
from evit_nas.accuracy.training.schedule import average_decay, learning_rate
from evit_nas.accuracy.training.state import EpochRow, State, restore_state, save_state
from evit_nas.accuracy.training.statistics import re_estimate
from evit_nas.errors import InputError
from evit_nas.model.description import Normalisation

_NAMES_SHOWN = 4


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training. `request` identifies it (a JSON mapping); `state_path` is written after every epoch.

    `validate` gives the score (in percent) of a network in evaluation mode. `hold` is entered for each step alone
    and given up between steps. `on_step` is called after each step, `on_epoch` after each epoch with the history.
    With several `processes`, `batches` are this one's parts, and the first one alone writes.
    """

    recipe: Recipe
    batches: Batches
    loss: Loss
    request: str
    state_path: Path
    validate: Callable[[nn.Module], float]
    normalisation: Normalisation = field(default_factory=Normalisation)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    workers: int = 0
    processes: Processes = ALONE
    hold: Hold = nullcontext
    on_step: Callable[[], None] = lambda: None
    on_epoch: Callable[[list[EpochRow]], None] = lambda history: None

    @property
    def per_epoch(self) -> int:
        return self.batches.per_epoch

    @property
    def total(self) -> int:
        """Steps of the whole training."""
        return self.recipe.epochs * self.per_epoch


Update = Callable[[State, Job, Batch], float]  # one step of training; its loss


def start(network: nn.Module, job: Job) -> State:
    """The state at step 0. `network` moves to the job's device."""
    recipe, network = job.recipe, job.processes.joined(network, job.device)
    network.to(job.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = adamw(network, recipe.learning_rate, recipe.weight_decay, recipe.layer_decay)
    return State(network=network, average=Average(network), optimiser=optimiser)


def resume(network: nn.Module, job: Job) -> State:
    """The state as it was written last."""
    state = start(network, job)
    restore_state(job.state_path, state, job.request)
    return state


def train(state: State, job: Job) -> nn.Module:
    """Train from where `state` is to the end; returns the averaged network with its statistics re-estimated.

    Raises InputError where the loss is not finite: the state on disk is that of the last whole epoch.
    """
    run_epochs(state, job, update)
    return _finished(state, job)


def run_epochs(state: State, job: Job, update: Update) -> None:
    """All epochs that are left, each kept on disk. `update` is what a step does."""
    for epoch in range(state.step // job.per_epoch, job.recipe.epochs):
        began = time.monotonic()
        loss = _epoch(state, job, update, epoch)
        row = EpochRow(
            epoch=epoch + 1,
            step=state.step,
            learning_rate=state.optimiser.param_groups[0]["lr"],
            loss=loss,
            seconds=time.monotonic() - began,
        )
        last = epoch + 1 == job.recipe.epochs
        if not last and (epoch + 1) % job.recipe.evaluate_every == 0:
            try:
                row = replace(row, score=job.validate(averaged(state).eval()))
            except InputError:  # val cannot be read: the epoch is not lost with it
                _keep(state, job, row)
                raise
        _keep(state, job, row)
        job.on_epoch(state.history)


def _keep(state: State, job: Job, row: EpochRow) -> None:
    state.history.append(row)
    if job.processes.first:
        save_state(job.state_path, state, job.request)


def averaged(state: State) -> nn.Module:
    """A copy of the network with the averaged weights."""
    network = copy.deepcopy(state.network)
    network.load_state_dict(state.average.state)
    return bare(network)


def _epoch(state: State, job: Job, update: Update, epoch: int) -> float:
    """All steps of one epoch that are left; the mean of their losses."""
    losses = []
    state.network.train()
    with loading(job.batches, state.step, (epoch + 1) * job.per_epoch, job.workers) as batches:
        for _ in range(state.step, (epoch + 1) * job.per_epoch):
            with job.hold():
                losses.append(update(state, job, next(batches)))
            job.on_step()
    return sum(losses) / len(losses)


def update(state: State, job: Job, batch: Batch) -> float:
    """One update of weights and average. Returns the loss."""
    recipe, network = job.recipe, state.network
    set_rate(state, job)
    state.optimiser.zero_grad()
    loss = sum(add_gradient(network, job, *part) for part in _parts(batch, recipe.accumulate)) / recipe.accumulate
    loss = job.processes.mean(loss, job.device)
    job.processes.mean_gradients(network)
    norm = float(nn.utils.clip_grad_norm_(network.parameters(), recipe.clip))
    if not math.isfinite(loss) or not math.isfinite(norm):
        raise diverged(state, job, batch, f"loss {loss:g} or its gradient is not finite")
    finish_step(state, job)
    return loss


def set_rate(state: State, job: Job) -> None:
    """The learning rate of the step that comes."""
    recipe = job.recipe
    set_learning_rate(state.optimiser, learning_rate(state.step, job.total, recipe.learning_rate, recipe.warmup))


def finish_step(state: State, job: Job) -> None:
    """Change weights and average by the gradients at hand, and count the step."""
    state.optimiser.step()
    state.average.update(state.network, average_decay(state.step, job.total, job.recipe.ema))
    state.step += 1


def _parts(batch: Batch, count: int) -> zip[tuple[torch.Tensor, torch.Tensor]]:
    return zip(batch.images.chunk(count), batch.labels.chunk(count), strict=True)


def add_gradient(network: nn.Module, job: Job, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Add the gradient of one part of a batch; its loss."""
    with torch.autocast(job.device.type, torch.bfloat16, enabled=job.device.type == "cuda"):
        logits = network(network_input(images, job))
    loss = job.loss(logits, labels.to(job.device))
    (loss / job.recipe.accumulate).backward()  # type: ignore[no-untyped-call]
    return loss.item()


def network_input(images: torch.Tensor, job: Job) -> torch.Tensor:
    """uint8 images as the network takes them."""
    moved = images.to(job.device, memory_format=torch.channels_last)
    return normalise(moved, job.normalisation.mean, job.normalisation.std)


def diverged(state: State, job: Job, batch: Batch, what: str) -> InputError:
    """The error of a step whose result cannot be used; `what` says why."""
    names = ", ".join(batch.names[:_NAMES_SHOWN]) + (", ..." if len(batch.names) > _NAMES_SHOWN else "")
    kept = f"{job.state_path} holds the last whole epoch" if job.state_path.is_file() else "nothing was stored yet"
    return InputError(
        f"training stopped at step {state.step + 1} of {job.total}: {what}; images {names}; {kept}; "
        "lower learning_rate or clip"
    )


def _finished(state: State, job: Job) -> nn.Module:
    network = averaged(state)
    count = math.ceil(job.recipe.norm_images / job.recipe.batch)
    if count:
        re_estimate(network, _norm_images(job, count), job.hold)
    return network.eval()


def _norm_images(job: Job, count: int) -> Iterator[torch.Tensor]:
    """Views that training would have shown next."""
    whole = replace(job.batches, share=WHOLE)
    return (network_input(whole.at(job.total + number).images, job) for number in range(count))
