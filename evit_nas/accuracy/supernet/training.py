"""Training of a supernet: the engine of one network, with a step that trains four members of it."""

from __future__ import annotations

import math

import torch

from evit_nas.accuracy.data.batches import Batch
from evit_nas.accuracy.supernet.sampling import Sandwich
from evit_nas.accuracy.supernet.step import sandwich_gradients
from evit_nas.accuracy.supernet.supernet import Supernet
from evit_nas.accuracy.training import engine
from evit_nas.accuracy.training.engine import Job
from evit_nas.accuracy.training.state import State
from evit_nas.errors import InputError


def train_supernet(state: State, job: Job, sandwich: Sandwich) -> Supernet:
    """Train from where `state` (whose network is a supernet) is to the end; returns the averaged supernet.

    The loss of the history is the mean of the members', `job.validate` takes a supernet. BatchNorm statistics are
    nowhere kept: each member's are estimated when it is used. Raises InputError where a loss is not finite: the state
    on disk is that of the last whole epoch.
    """
    if job.recipe.accumulate != 1 or job.recipe.auxiliary:
        raise InputError(
            f"accumulate {job.recipe.accumulate}, auxiliary {job.recipe.auxiliary:g}: a supernet step takes its batch "
            "whole and has one head; set them to 1 and 0"
        )

    def update(state: State, job: Job, batch: Batch) -> float:
        return _update(state, job, batch, sandwich)

    engine.run_epochs(state, job, update)
    return _supernet(engine.averaged(state))


def _supernet(network: torch.nn.Module) -> Supernet:
    assert isinstance(network, Supernet)
    return network


def _update(state: State, job: Job, batch: Batch, sandwich: Sandwich) -> float:
    """One update of weights and average. Returns the mean loss of its members."""
    supernet = _supernet(state.network)
    engine.set_rate(state, job)
    state.optimiser.zero_grad(set_to_none=False)
    losses = sandwich_gradients(
        supernet,
        sandwich.members(state.step),
        engine.network_input(batch.images, job),
        batch.labels.to(job.device),
        job.loss,
        job.recipe.clip,
    )
    job.processes.mean_gradients(supernet)
    loss = job.processes.mean(sum(losses) / len(losses), job.device)
    gradients = [tensor.grad for tensor in supernet.parameters() if tensor.grad is not None]
    if not math.isfinite(loss) or not bool(torch.isfinite(torch.nn.utils.get_total_norm(gradients))):
        shown = ", ".join(f"{loss:g}" for loss in losses)
        what = f"a loss ({shown}; largest, smallest, two random members) or a gradient is not finite"
        raise engine.diverged(state, job, batch, what)
    engine.finish_step(state, job)
    return loss
