"""Images a second of the training engine against a plain torch loop on the same network, input and batch.

The plain loop has its batch ready and does nothing but forward, loss, backward, clip and optimiser step; the engine
also reads and augments images, averages the weights, watches the loss and takes the machine's lock for each step.
Both take turns, each round in the other order, so that a machine that slows down slows both. A round is long enough
that the batches prepared between two rounds do not matter. `--dataset scenes` (the default) needs no data. Target: a
ratio of 0.97 or more for B0 at 192x256 with two threads on two cores that have nothing else to do.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from evit_nas.accuracy.data.augment import Augmentation
from evit_nas.accuracy.data.batches import Batches, Cached, loading
from evit_nas.accuracy.data.catalogue import open_dataset
from evit_nas.accuracy.training import engine
from evit_nas.accuracy.training.loss import pixel_loss
from evit_nas.accuracy.training.recipe import load_recipe
from evit_nas.model.checkpoint import with_classes
from evit_nas.model.efficientvit import build
from evit_nas.space.arch import named_arch, parse_resolution
from evit_nas.workflows.step_lock import step_lock
from evit_nas.workflows.training_folder import loaders


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default="b0")
    parser.add_argument("--dataset", default="scenes")
    parser.add_argument("--root", type=Path)
    parser.add_argument("--resolution", default="192x256")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=24, help="of each turn")
    parser.add_argument("--turns", type=int, default=8)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    plain, ours, batch = _loops(arguments)
    for loop in (plain, ours):
        loop(2)
    rates: dict[str, list[float]] = {"plain": [], "engine": []}
    loops = [("plain", plain), ("engine", ours)]
    for _ in range(arguments.turns):
        for name, loop in loops:
            began = time.perf_counter()
            loop(arguments.steps)
            rates[name].append(arguments.steps * batch / (time.perf_counter() - began))
        loops.reverse()
    ratios = [mine / theirs for mine, theirs in zip(rates["engine"], rates["plain"], strict=True)]
    quarters = statistics.quantiles(ratios, n=4)
    print(
        json.dumps(
            {
                "plain_images_per_second": round(statistics.median(rates["plain"]), 1),
                "engine_images_per_second": round(statistics.median(rates["engine"]), 1),
                "ratio": round(quarters[1], 3),
                "ratio_quartiles": [round(quarters[0], 3), round(quarters[2], 3)],
                "threads": arguments.threads,
            }
        )
    )


def _loops(arguments: argparse.Namespace) -> tuple[Callable[[int], None], Callable[[int], None], int]:
    """Both loops as functions of the number of steps, and the size of a batch."""
    data = open_dataset(arguments.dataset, arguments.root)
    recipe = load_recipe(arguments.dataset, resolution=parse_resolution(arguments.resolution), epochs=10_000)
    batches = Batches(
        split=Cached(data.split("train")),
        size=recipe.resolution,
        batch=recipe.batch,
        augmentation=Augmentation(),
        seed=0,
    )
    for index in range(len(batches.split)):
        batches.split.read(index)  # into the cache, as after the first epoch
    arch = with_classes(named_arch(arguments.arch), len(data.classes))
    job = engine.Job(
        recipe=recipe,
        batches=batches,
        loss=pixel_loss(),
        request="{}",
        state_path=Path("unused"),
        validate=lambda network: 0.0,
        hold=step_lock(print),
    )
    state = engine.start(build(arch), job)

    def ours(steps: int) -> None:
        with loading(batches, state.step, state.step + steps, loaders(arguments.threads)) as given:
            for _ in range(steps):
                with job.hold():
                    engine.update(state, job, next(given))

    return _plain(build(arch), job), ours, recipe.batch


def _plain(network: nn.Module, job: engine.Job) -> Callable[[int], None]:
    network.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4, fused=True)
    batch = job.batches.at(0)
    images, labels = engine.network_input(batch.images, job), batch.labels.long()

    def loop(steps: int) -> None:
        for _ in range(steps):
            optimiser.zero_grad()
            logits = functional.interpolate(network(images), size=labels.shape[1:], mode="bilinear")
            functional.cross_entropy(logits, labels, ignore_index=255).backward()
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()

    return loop


if __name__ == "__main__":
    main()
