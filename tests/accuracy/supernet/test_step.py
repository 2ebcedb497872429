from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from evit_nas.accuracy.supernet.sampling import Sandwich
from evit_nas.accuracy.supernet.step import add_gradient, distillation, resized, sandwich_gradients
from evit_nas.accuracy.supernet.supernet import Supernet
from evit_nas.accuracy.training.loss import pixel_loss
from evit_nas.space.space import SearchSpace

NO_CLIP = 1e9


@pytest.fixture
def supernet(tiny: SearchSpace) -> Supernet:
    torch.manual_seed(0)
    return Supernet(tiny)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, 3, 64, 96, generator=generator)
    return images, torch.randint(0, 7, (2, 64, 96), generator=generator).to(torch.uint8)


def gradients(supernet: Supernet) -> dict[str, torch.Tensor]:
    return {name: tensor.grad.clone() for name, tensor in supernet.tensors.items() if tensor.grad is not None}


def test_gradient_by_slices_equals_autograd_through_the_supernet(supernet: Supernet) -> None:
    images, labels = batch()
    arch, loss = supernet.space.sample(1, 1)[0].arch, pixel_loss()
    add_gradient(supernet, arch, images, lambda logits: loss(logits, labels), NO_CLIP)
    ours = gradients(supernet)
    supernet.zero_grad()
    loss(supernet(images, arch), labels).backward()
    for name, expected in gradients(supernet).items():
        torch.testing.assert_close(ours[name], expected, rtol=1e-3, atol=1e-6, msg=name)


def test_members_gradients_are_clipped_each_and_added(supernet: Supernet) -> None:
    images, labels = batch()
    members = Sandwich(supernet.space, 0).members(0)
    clip = 0.01
    sandwich_gradients(supernet, members, images, labels, pixel_loss(), clip)
    total = torch.nn.utils.get_total_norm(gradients(supernet).values())
    assert clip < float(total) <= clip * len(members) * 1.001
    supernet.zero_grad()
    sandwich_gradients(supernet, members[:1], images, labels, pixel_loss(), clip)
    assert float(torch.nn.utils.get_total_norm(gradients(supernet).values())) == pytest.approx(clip, rel=1e-3)


def test_a_member_alone_learns_as_the_objective_says(supernet: Supernet) -> None:
    images, labels = batch()
    largest, smallest, *_ = Sandwich(supernet.space, 0).members(0)
    losses = sandwich_gradients(supernet, (largest, smallest), images, labels, pixel_loss(), NO_CLIP)
    with torch.no_grad():
        teacher = supernet(images, largest.arch)
        logits = supernet(resized(images, smallest.resolution), smallest.arch)
        assert losses[0] == pytest.approx(float(pixel_loss()(teacher, labels)), rel=1e-5)
        expected = 0.5 * pixel_loss()(logits, labels) + 0.5 * distillation(logits, teacher)
    assert losses[1] == pytest.approx(float(expected), rel=1e-4)


def test_distillation_is_the_cross_entropy_against_the_teacher() -> None:
    logits, teacher = torch.randn(2, 5, 4, 6), torch.randn(2, 5, 4, 6)
    expected = functional.cross_entropy(logits, teacher.softmax(dim=1))
    torch.testing.assert_close(distillation(logits, teacher), expected)
    coarse = functional.cross_entropy(logits[:, :, :2, :3], resized(teacher.softmax(dim=1), (2, 3)))
    torch.testing.assert_close(distillation(logits[:, :, :2, :3], teacher), coarse)


def test_steps_lower_the_loss(supernet: Supernet) -> None:
    images, labels = batch()
    labels[:] = (images[:, 0] > 0).to(torch.uint8)
    optimiser = torch.optim.AdamW(supernet.parameters(), lr=2e-3)
    sandwich, seen = Sandwich(supernet.space, 0), []
    for step in range(4):
        optimiser.zero_grad()
        seen.append(sandwich_gradients(supernet, sandwich.members(step), images, labels, pixel_loss(), 5.0))
        optimiser.step()
    assert seen[-1][0] < seen[0][0]
    assert seen[-1][1] < seen[0][1]
