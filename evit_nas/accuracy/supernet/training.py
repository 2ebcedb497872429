"""Training of a supernet: the engine of one network, with a step that trains four members of it."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import replace

import torch

from evit_nas.accuracy.data.batches import Batch, loading
from evit_nas.accuracy.supernet.sampling import Sandwich
from evit_nas.accuracy.supernet.step import sandwich_gradients
from evit_nas.accuracy.supernet.supernet import Supernet
from evit_nas.accuracy.training.engine import Job, network_input
from evit_nas.accuracy.training.optimiser import set_learning_rate
from evit_nas.accuracy.training.schedule import average_decay, learning_rate
from evit_nas.accuracy.training.state import EpochRow, State, save_state
from evit_nas.errors import InputError


def train_supernet(state: State, job: Job, sandwich: Sandwich) -> Supernet:
    """Train from where `state` (whose network is a supernet) is to the end; returns the averaged supernet.

    The loss of the history is the mean of the members', `job.validate` takes a supernet. BatchNorm statistics are
    nowhere kept: each member's are estimated when it is used. Raises InputError where a loss is not finite: the state
    on disk is that of the last whole epoch.
    """
    if job.recipe.accumulate != 1:
        raise InputError(f"accumulate {job.recipe.accumulate}: a supernet step takes its batch whole; set it to 1")
    for epoch in range(state.step // job.per_epoch, job.recipe.epochs):
        began = time.monotonic()
        loss = _epoch(state, job, sandwich, epoch)
        row = EpochRow(
            epoch=epoch + 1,
            step=state.step,
            learning_rate=state.optimiser.param_groups[0]["lr"],
            loss=loss,
            seconds=time.monotonic() - began,
        )
        if epoch + 1 < job.recipe.epochs and (epoch + 1) % job.recipe.evaluate_every == 0:
            row = replace(row, miou=job.validate(averaged_supernet(state)))
        state.history.append(row)
        save_state(job.state_path, state, job.request)
        job.on_epoch(state.history)
    return averaged_supernet(state)


def averaged_supernet(state: State) -> Supernet:
    """A copy of the supernet with the averaged weights."""
    supernet = copy.deepcopy(_supernet(state))
    supernet.load_state_dict(state.average.state)
    return supernet


def _supernet(state: State) -> Supernet:
    assert isinstance(state.network, Supernet)
    return state.network


def _epoch(state: State, job: Job, sandwich: Sandwich, epoch: int) -> float:
    """All steps of one epoch that are left; the mean of their losses."""
    losses = []
    with loading(job.batches, state.step, (epoch + 1) * job.per_epoch, job.workers) as batches:
        for _ in range(state.step, (epoch + 1) * job.per_epoch):
            with job.hold():
                losses.append(_step(state, job, sandwich, next(batches)))
            job.on_step()
    return sum(losses) / len(losses)


def _step(state: State, job: Job, sandwich: Sandwich, batch: Batch) -> float:
    """One update of weights and average. Returns the mean loss of its members."""
    recipe, supernet = job.recipe, _supernet(state)
    set_learning_rate(state.optimiser, learning_rate(state.step, job.total, recipe.learning_rate, recipe.warmup))
    state.optimiser.zero_grad(set_to_none=False)
    losses = sandwich_gradients(
        supernet,
        sandwich.members(state.step),
        network_input(batch.images, job),
        batch.labels.to(job.device),
        job.loss,
        recipe.clip,
    )
    gradients = [tensor.grad for tensor in supernet.parameters() if tensor.grad is not None]
    if not math.isfinite(sum(losses)) or not bool(torch.isfinite(torch.nn.utils.get_total_norm(gradients))):
        raise _diverged(state, job, losses)
    state.optimiser.step()
    state.average.update(supernet, average_decay(state.step, job.total, recipe.ema))
    state.step += 1
    return sum(losses) / len(losses)


def _diverged(state: State, job: Job, losses: list[float]) -> InputError:
    kept = f"{job.state_path} holds the last whole epoch" if job.state_path.is_file() else "nothing was stored yet"
    shown = ", ".join(f"{loss:g}" for loss in losses)
    return InputError(
        f"training stopped at step {state.step + 1} of {job.total}: a loss ({shown}; largest, smallest, two random "
        f"members) or a gradient is not finite; {kept}; lower learning_rate or clip"
    )
