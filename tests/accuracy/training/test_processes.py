"""Two processes give what one gives that takes the same halves of each batch one after the other.

Run as a program, this file is one of the processes.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from evit_nas.accuracy.data.augment import Augmentation
from evit_nas.accuracy.data.batches import Batches
from evit_nas.accuracy.data.scenes import CLASSES, SceneSplit
from evit_nas.accuracy.training import engine
from evit_nas.accuracy.training.loss import pixel_loss
from evit_nas.accuracy.training.processes import ALONE, Processes, join
from evit_nas.accuracy.training.recipe import Recipe
from evit_nas.errors import InputError
from evit_nas.model.efficientvit import build
from evit_nas.space.arch import ArchConfig, BlockConfig, MsaConfig, SegHead, StageConfig, StemConfig

STEPS = 3
Course = tuple[list[float], dict[str, torch.Tensor]]


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    attention = (BlockConfig(msa=MsaConfig()),)
    stages = StageConfig(width=8), StageConfig(width=8), StageConfig(width=16, blocks=attention), StageConfig(width=16)
    head = SegHead(classes=len(CLASSES), width=8)
    return build(ArchConfig(stem=StemConfig(width=8), stages=stages, head=head, head_dim=8))


def course(group: Processes, accumulate: int) -> Course:
    """Losses and gradients of some steps."""
    recipe = Recipe(resolution=(32, 64), epochs=1, batch=4, accumulate=accumulate, clip=1e6)
    batches = Batches(
        split=SceneSplit(seed=(0, 1), size=4 * STEPS),
        size=recipe.resolution,
        batch=recipe.batch,
        augmentation=Augmentation(),
        seed=0,
        share=group.share(recipe.batch, accumulate),
    )
    job = engine.Job(
        recipe=recipe,
        batches=batches,
        loss=pixel_loss(),
        request="{}",
        state_path=Path("unused"),
        validate=lambda network: 0.0,
        processes=group,
    )
    state = engine.start(network(), job)
    losses, gradients = [], {}
    for step in range(STEPS):
        losses.append(engine.update(state, job, batches.at(step)))
        named = state.network.named_parameters()
        gradients |= {f"{step} {name}": parameter.grad.clone() for name, parameter in named}
    return losses, gradients


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


def started(rank: int, port: int, out: Path) -> subprocess.Popen[str]:
    """As torchrun starts it."""
    told = {"WORLD_SIZE": 2, "RANK": rank, "LOCAL_RANK": rank, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    environment = os.environ | {name: str(value) for name, value in told.items()} | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, __file__, str(out)], env=environment, text=True, stderr=subprocess.PIPE)


def test_two_processes_equal_one_that_accumulates(tmp_path: Path) -> None:
    port = free_port()
    files = [tmp_path / f"{rank}.pt" for rank in (0, 1)]
    running = [started(rank, port, file) for rank, file in enumerate(files)]
    losses, gradients = course(ALONE, 2)
    for process, file in zip(running, files, strict=True):
        _, told = process.communicate(timeout=120)
        assert process.returncode == 0, told
        found_losses, found = torch.load(file, weights_only=True)
        assert found_losses == pytest.approx(losses, abs=1e-5)
        assert found.keys() == gradients.keys()
        assert max(float((found[name] - gradient).abs().max()) for name, gradient in gradients.items()) < 1e-5
    assert max(float(gradient.abs().max()) for gradient in gradients.values()) > 1e-2  # there is something to compare


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    assert Processes(rank=1, count=2).share(8, 2) == (1, 2)
    assert ALONE.share(8, 1) == (0, 1)
    with pytest.raises(InputError, match="a batch of 8 cannot be cut in 3 equal parts for each of 2 processes"):
        Processes(count=2).share(8, 3)


@pytest.mark.slow
def test_torchrun_trains_as_one_process_does(tmp_path: Path) -> None:
    """The command itself: the first process writes and prints, and the loss is that of two half batches."""
    lines = ["schema: evit-nas/recipe-1", "resolution: 32x64", "epochs: 1", "batch: 4", "norm_images: 4"]
    command = ["-m", "evit_nas", "train", "b0", "--dataset", "scenes", "--json"]
    runner = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(free_port())]
    losses, printed = [], []
    for name, start, accumulate in (("two", runner, 1), ("one", [], 2)):
        recipe = tmp_path / f"{name}.yaml"
        recipe.write_text("\n".join([*lines, f"accumulate: {accumulate}"]))
        whole = [sys.executable, *start, *command, "--recipe", str(recipe), "--out", str(tmp_path / name)]
        done = subprocess.run(whole, capture_output=True, text=True, timeout=400, check=False)
        assert done.returncode == 0, done.stderr
        printed.append(json.loads(done.stdout))
        losses.append(float((tmp_path / name / "history.csv").read_text().splitlines()[1].split(",")[3]))
    assert losses[0] == pytest.approx(losses[1], abs=1e-3)  # after 200 steps
    assert printed[0].keys() == printed[1].keys()


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.save(course(join(torch.device("cpu")), 1), sys.argv[1])
