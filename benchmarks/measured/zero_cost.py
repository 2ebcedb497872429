"""Scores of untrained networks, the floor that any other source of a ranking has to beat.

For each network of a plan, at its seeded start: synflow (Tanaka et al. 2020), NASWOT (Mellor et al. 2021, over all
activations), and the norm of the gradient of the loss on one batch of training images. One line a network, kept as soon
as it is there, about 3 s each on one thread. Needs the data set under --root for the batch.
"""

from __future__ import annotations

import argparse
import csv
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from evit_nas.accuracy.data.batches import Batches, normalise
from evit_nas.accuracy.data.catalogue import open_dataset
from evit_nas.accuracy.training.loss import pixel_loss
from evit_nas.accuracy.training.recipe import load_recipe
from evit_nas.files import write_text
from evit_nas.model.description import Normalisation
from evit_nas.model.efficientvit import EfficientViT, build
from evit_nas.space.arch import NAMED_ARCHS
from evit_nas.workflows.candidates import resolve_arch
from evit_nas.workflows.train_facts import arch_hash
from evit_nas.workflows.train_plan import read_plan

COLUMNS = ("arch_hash", "synflow", "naswot", "grad_norm", "seconds")
BATCH = 16
POINTS = 4096  # activations a layer that NASWOT compares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plan", type=Path, nargs="?", default=Path("reports/measured/plan.csv"))
    parser.add_argument("--dataset", default="idd-lite-held-out")
    parser.add_argument("--root", type=Path, default=Path("../shared/data/idd_lite"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    dataset = open_dataset(arguments.dataset, arguments.root)
    jobs = {job.arch: job for job in read_plan(arguments.plan) if job.dataset == arguments.dataset}
    table = arguments.plan.parent / "zero-cost.csv"
    rows = read(table)
    for job in jobs.values():
        found = resolve_arch(job.arch if job.arch in NAMED_ARCHS else arguments.plan.parent / job.arch)
        arch = replace(found.arch, head=replace(found.arch.head, classes=len(dataset.classes)))
        if arch_hash(arch) in rows:
            continue
        recipe = load_recipe(job.recipe, epochs=job.epochs, resolution=job.resolution)
        batches = Batches(
            split=dataset.split("train"), size=job.resolution, batch=BATCH, augmentation=recipe.augmentation, seed=0
        )
        batch, own, began = batches.at(0), Normalisation(), time.monotonic()
        images = normalise(batch.images, own.mean, own.std)
        torch.manual_seed(0)
        scores = [
            synflow(build(arch), images[:1].shape),
            naswot(build(arch), images),
            gradient(build(arch), images, batch.labels),
        ]
        cells = [arch_hash(arch), *(f"{score:.6g}" for score in scores), f"{time.monotonic() - began:.2f}"]
        rows[cells[0]] = cells
        write_text(table, "\n".join(",".join(row) for row in [COLUMNS, *rows.values()]) + "\n")


def read(table: Path) -> dict[str, list[str]]:
    """Lines by hash."""
    if not table.is_file():
        return {}
    with table.open(newline="", encoding="utf-8") as file:
        return {row[0]: row for row in list(csv.reader(file))[1:]}


def synflow(network: EfficientViT, shape: torch.Size) -> float:
    """Logarithm of the sum over weights of |w dR/dw|: all weights positive, an image of ones, no normalisation.

    Each kernel is brought to a gain of 1 and its gain added as a logarithm: the attention runs in float32, where the
    product of all gains overflows.
    """
    network.eval()
    gains = 0.0
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
            if parameter.ndim > 1:
                gain = float(parameter.flatten(1).sum(dim=1).mean())
                parameter.div_(gain)
                gains += float(np.log(gain))
    network(torch.ones(shape)).sum().backward()
    flows = [(p.detach() * p.grad).abs().sum() for p in network.parameters() if p.grad is not None]
    return gains + float(torch.stack(flows).sum().log())


@torch.no_grad()
def naswot(network: EfficientViT, images: torch.Tensor) -> float:
    """log det of the kernel of agreeing signs before every activation, summed over the layers."""
    network.train()
    kernel = torch.zeros(len(images), len(images), dtype=torch.float64)

    def look(module: nn.Module, given: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        signs = (given[0].flatten(1) > 0).double()
        signs = signs[:, :: max(1, signs.shape[1] // POINTS)]
        kernel.add_(signs @ signs.T + (1 - signs) @ (1 - signs).T)

    activations = (nn.Hardswish, nn.ReLU, nn.ReLU6)
    hooks = [m.register_forward_hook(look) for m in network.modules() if isinstance(m, activations)]
    network(images)
    for hook in hooks:
        hook.remove()
    return float(torch.linalg.slogdet(kernel)[1])


def gradient(network: EfficientViT, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Norm of the gradient over all weights."""
    network.train()
    pixel_loss()(network(images), labels).backward()
    return float(nn.utils.get_total_norm([p.grad for p in network.parameters() if p.grad is not None]))


if __name__ == "__main__":
    main()
