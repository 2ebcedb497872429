"""What a supernet step costs over the steps of its members as networks of their own (target: 1.10 or less).

A step is the gradient of four members (largest, smallest, two random; distillation from the largest), clipped each,
and one AdamW update. A member's own step is the same on the extracted network, without distillation. Both see the same
batch; rounds of both alternate, and each round has its own random members. With `--largest-every N`, as in
`supernet train`, steps differ, and the mean counts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
from torch import nn

from evit_nas.accuracy.supernet.sampling import Sandwich, at_most
from evit_nas.accuracy.supernet.step import resized, sandwich_gradients
from evit_nas.accuracy.supernet.supernet import Supernet, extract
from evit_nas.accuracy.training.loss import pixel_loss
from evit_nas.accuracy.training.optimiser import adamw
from evit_nas.model.efficientvit import build
from evit_nas.space.arch import Resolution, parse_resolution
from evit_nas.space.space import Candidate, load_space

RATE, DECAY, CLIP = 4e-3, 0.05, 5.0


def main() -> None:
    """Print the median ratio of the rounds, and both times; write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--space", default="efficientvit-seg-small")
    parser.add_argument("--resolution", type=parse_resolution, default=(128, 192))
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--largest-every", type=int, default=1, help="as in `supernet train`")
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    figures = compare(
        arguments.space, arguments.resolution, arguments.batch, arguments.seconds, arguments.largest_every
    )
    print(
        f"supernet step {figures['supernet_s']:.3f} s (mean {figures['supernet_mean_s']:.3f} s), "
        f"its members' own steps {figures['own_s']:.3f} s, median ratio {figures['ratio']:.3f} "
        f"(quartiles {figures['ratio_q1']:.3f} to {figures['ratio_q3']:.3f}, "
        f"{figures['rounds']} rounds; {arguments.space}, {arguments.batch} images, {arguments.threads} threads)"
    )
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


def compare(
    space_name: str, resolution: Resolution, batch: int, seconds: float, largest_every: int
) -> dict[str, float]:
    """Alternate rounds until the time is over; the first is a warm-up."""
    torch.manual_seed(0)
    space = at_most(load_space(space_name), resolution)
    supernet = Supernet(space).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = adamw(supernet, RATE, DECAY)
    images = torch.randn(batch, 3, *resolution).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, space.spec.classes, (batch, *resolution)).to(torch.uint8)
    sandwich, end, rows = Sandwich(space, 0, largest_every), time.monotonic() + seconds, []
    while time.monotonic() < end or len(rows) < 3:
        members = sandwich.members(len(rows))
        own = sum(own_step(supernet, candidate, images, labels) for candidate in members)
        rows.append((supernet_step(supernet, optimiser, members, images, labels), own))
    shared, alone = zip(*rows[1:], strict=True)
    ratios = [a / b for a, b in zip(shared, alone, strict=True)]
    q1, median, q3 = statistics.quantiles(ratios, n=4)
    return {
        "ratio": median,
        "ratio_q1": q1,
        "ratio_q3": q3,
        "supernet_s": statistics.median(shared),
        "supernet_mean_s": statistics.mean(shared),
        "own_s": statistics.median(alone),
        "rounds": len(ratios),
    }


def supernet_step(
    supernet: Supernet,
    optimiser: torch.optim.Optimizer,
    members: tuple[Candidate, ...],
    images: torch.Tensor,
    labels: torch.Tensor,
) -> float:
    """Seconds of a whole step, what is made anew for each set of members included."""
    start = time.perf_counter()
    optimiser.zero_grad()
    sandwich_gradients(supernet, members, images, labels, pixel_loss(), CLIP)
    optimiser.step()
    return time.perf_counter() - start


def own_step(supernet: Supernet, candidate: Candidate, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Seconds of a step of the extracted network, which exists before, with its optimiser."""
    network = build(candidate.arch)
    network.load_state_dict(extract(supernet, candidate.arch))
    network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser, loss = adamw(network, RATE, DECAY), pixel_loss()
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step()  # makes its moments
    start = time.perf_counter()
    optimiser.zero_grad()
    loss(network(resized(images, candidate.resolution)), labels).backward()
    nn.utils.clip_grad_norm_(network.parameters(), CLIP)
    optimiser.step()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
