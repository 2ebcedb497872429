from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from evit_nas.accuracy.training import engine
from evit_nas.accuracy.training.auxiliary import WithAuxiliary, auxiliary_loss
from evit_nas.accuracy.training.loss import pixel_loss
from evit_nas.accuracy.training.recipe import Recipe
from evit_nas.errors import InputError
from evit_nas.model.checkpoint import read_checkpoint


@pytest.fixture(autouse=True)
def one_thread():
    """Sums are cut by thread: bit for bit means the same number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Stop(Exception):
    pass


def assert_equal(one: torch.nn.Module, other: torch.nn.Module) -> None:
    expected = other.state_dict()
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


def test_a_resumed_training_equals_an_uninterrupted_one_bit_for_bit(tiny, job, tmp_path: Path) -> None:
    whole = engine.train(engine.start(tiny(), job()), job())
    broken = job(state_path=tmp_path / "broken.safetensors")
    steps = []

    def stop_in_the_second_epoch() -> None:
        steps.append(1)
        if len(steps) == 6:
            raise Stop

    first = replace(broken, on_step=stop_in_the_second_epoch)
    with pytest.raises(Stop):
        engine.train(engine.start(tiny(), first), first)
    resumed = engine.resume(tiny(), broken)
    assert resumed.step == 4
    assert [row.epoch for row in resumed.history] == [1]
    assert_equal(engine.train(resumed, broken), whole)


def test_training_learns_and_tells(tiny, job) -> None:
    told, held, scored = [], [], []

    @contextmanager
    def hold():
        held.append(1)
        yield

    def validate(network: torch.nn.Module) -> float:
        scored.append(network.training)
        return 12.5

    recipe = Recipe(resolution=(32, 64), epochs=6, batch=4, norm_images=8, evaluate_every=2)
    work = job(recipe=recipe, hold=hold, validate=validate, on_epoch=lambda history: told.append(history[-1]))
    network = engine.train(engine.start(tiny(), work), work)
    assert not network.training
    assert told[-1].loss < told[0].loss - 0.05
    assert [row.step for row in told] == [4, 8, 12, 16, 20, 24]
    assert [row.score for row in told] == [None, 12.5, None, 12.5, None, None]  # the last score is the caller's
    assert scored == [False, False]
    assert len(held) == 24 + 2  # every step and every batch of the statistics


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_epoch(tiny, job) -> None:
    calls = []

    def loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        value = pixel_loss()(logits, labels)
        return value * float("nan") if len(calls) == 7 else value

    work = job(loss=loss)
    with pytest.raises(InputError, match=r"step 7 of 12: loss nan .* images scene \d+, .* holds the last whole epoch"):
        engine.train(engine.start(tiny(), work), work)
    assert engine.resume(tiny(), work).step == 4


def test_a_full_disk_stops_and_keeps_the_last_epoch(tiny, job, monkeypatch: pytest.MonkeyPatch) -> None:
    epochs = []

    def full(handle: int) -> None:
        epochs.append(1)
        if len(epochs) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    work = job()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"state\.safetensors: cannot be written \(No space left on device\); free"):
        engine.train(engine.start(tiny(), work), work)
    assert engine.resume(tiny(), work).step == 4
    assert [path.name for path in work.state_path.parent.iterdir()] == ["state.safetensors"]


def test_an_auxiliary_head_trains_resumes_and_is_left_out_of_the_result(tiny, job) -> None:
    recipe = Recipe(resolution=(32, 64), epochs=2, batch=4, norm_images=4, evaluate_every=1, auxiliary=0.4)
    scored = []
    options = {
        "recipe": recipe,
        "loss": auxiliary_loss(pixel_loss(), 0.4),
        "validate": lambda n: scored.append(n) or 1.0,
    }
    whole = job(**options)
    result = engine.train(engine.start(WithAuxiliary(tiny()), whole), whole)
    assert result.state_dict().keys() == tiny().state_dict().keys()
    assert [type(network) for network in scored] == [type(tiny())]
    again = engine.resume(WithAuxiliary(tiny()), whole)
    assert again.step == 8
    assert_equal(engine.train(again, whole), result)


def test_accumulation_gives_the_gradient_of_the_whole_batch(tiny, job) -> None:
    """Equal parts with equally many labelled pixels; BatchNorm in evaluation mode, since it sees the parts apart."""
    gradients = []
    for accumulate in (1, 2):
        recipe = Recipe(resolution=(128, 192), epochs=1, batch=4, accumulate=accumulate)
        work = job(recipe=recipe)
        network = tiny().eval()
        batch = work.batches.at(0)
        batch.labels[batch.labels == 255] = 0
        for images, labels in zip(batch.images.chunk(accumulate), batch.labels.chunk(accumulate), strict=True):
            engine.add_gradient(network, work, images, labels)
        gradients.append(torch.cat([p.grad.flatten() for p in network.parameters()]))
    assert torch.allclose(gradients[0], gradients[1], rtol=1e-4, atol=1e-6)


def test_another_training_is_not_resumed(tiny, job) -> None:
    work = job(recipe=Recipe(resolution=(32, 64), epochs=1, batch=4, norm_images=0))
    engine.train(engine.start(tiny(), work), work)
    with pytest.raises(InputError, match=r"belongs to another training \(seed\); choose another --out"):
        engine.resume(tiny(), replace(work, request='{"seed": 1}'))


def test_a_damaged_state_is_refused(tiny, job) -> None:
    work = job(recipe=Recipe(resolution=(32, 64), epochs=1, batch=4, norm_images=0))
    engine.train(engine.start(tiny(), work), work)
    content = bytearray(work.state_path.read_bytes())
    content[-5] ^= 1
    work.state_path.write_bytes(content)
    with pytest.raises(InputError, match="altered since it was written"):
        engine.resume(tiny(), work)


def evit_nas(*argv: str, out: Path, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "evit_nas", "train", *argv, "--out", str(out), "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


@pytest.mark.slow
def test_kill_and_resume_by_command_equals_an_uninterrupted_run(tmp_path: Path) -> None:
    argv = ("b0", "--dataset", "scenes", "--epochs", "4", "--resolution", "32x64")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    document, _ = evit_nas(*argv, out=whole).communicate(timeout=300)
    for epoch in (1, 3):
        process = evit_nas(*argv, "--resume", out=broken, start_new_session=True)
        while not (broken / "history.csv").is_file() or f"\n{epoch}," not in (broken / "history.csv").read_text():
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        time.sleep(0.3)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    again, _ = evit_nas(*argv, "--resume", out=broken).communicate(timeout=300)
    assert json.loads(again)["miou"] == json.loads(document)["miou"]
    one, other = (read_checkpoint(folder / "network.safetensors") for folder in (whole, broken))
    assert all(torch.equal(tensor, other.state[name]) for name, tensor in one.state.items())
